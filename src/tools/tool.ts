/**
 * A tool that Curta runs itself, as the agent loop knows it.
 *
 * The loop declares `definition` to the model as an ordinary client tool and calls `run` for each use.
 * `run` never throws for what the model or its code did wrong: that is a result the model can read. Every
 * run that is not aborted ends in exactly one `result`; a `rejected` comes right before its `result`.
 */
import type { ModelTool, TextBlock, ImageBlock } from "../providers/provider.ts";
import type { Container, ExecutionEvent, FunctionCall, OutputFile } from "../sandbox/sandbox.ts";
import type { ExecutionOutput } from "./execution-output.ts";
import type { TextEditorOutput } from "./text-editor.ts";
import type { WebOutput } from "./web-output.ts";

export interface ToolContext {
  /** The turn's container, created on first use, with the turn's files in its workspace. */
  container(): Promise<Container>;
  /** Puts a file into the workspace of the turn's container, when there is one. */
  putFile(filename: string, bytes: Uint8Array): Promise<void>;
  /** Who reads the result: the code that called the tool gets it as data, and needs no file of it. */
  caller: "model" | "code";
  signal: AbortSignal;
}

/** What the client is told of a use: execution events as they happen, then what its caller reads. */
export type ToolEvent =
  | { type: "execution"; event: ExecutionEvent }
  /**
   * The code waits for answers to these, the client's or Curta's own. Whoever iterates may put the iteration
   * aside for as long as that takes, answer them, and go on with it.
   */
  | { type: "calls"; calls: FunctionCall[] }
  /** The tool did not run: `error_code` as the Messages API has it. */
  | { type: "rejected"; errorCode: RejectionCode; message: string }
  | {
      type: "result";
      content: (TextBlock | ImageBlock)[];
      isError: boolean;
      /** The whole of it, for the client; null after a `rejected`. */
      output: ToolOutput | null;
    };

/** What a use brought, by the kind of tool. */
export type ToolOutput = SandboxOutput | WebOutput;

/** What a rendering shows; the blocks of the web tools are the same in each. */
export type SandboxOutput = ExecutionOutput | TextEditorOutput;

/** As the Messages API has them, and `string_not_found` of its older versions. */
export type RejectionCode =
  | "invalid_tool_input"
  | "unavailable"
  | "too_many_requests"
  | "execution_time_exceeded"
  | "output_file_too_large"
  | "file_not_found"
  | "string_not_found";

export interface Tool {
  readonly definition: ModelTool;
  /** The same as a function of the code: its description tells what it returns. Absent where code cannot call it. */
  readonly codeDefinition?: ModelTool;
  run(input: Record<string, unknown>, context: ToolContext): AsyncIterable<ToolEvent>;
}

export interface StoredFile {
  filename: string;
  mediaType: string;
  bytes: Uint8Array;
}

/** The Files API as the tools and the wire know it. */
export interface FileStore {
  /** Throws `not_found` for an id that is unknown or expired. */
  read(id: string): Promise<StoredFile>;
  /** Keeps a file that code made and gives its id. */
  save(file: OutputFile): Promise<string>;
}
