/**
 * What the rest of Curta knows of the place where code runs.
 *
 * A container is a Python session with a workspace of its own. Calls on one container queue in order;
 * calls on different ones run side by side. Nothing that comes out of a container is trusted: every
 * string is bounded, every image has been checked for its signature, every path is relative and clean.
 */
export type ExecutionStatus = "ok" | "error" | "timeout" | "out_of_memory" | "killed";

export interface ExecutionError {
  /** Class name of the exception: `ZeroDivisionError`. */
  name: string;
  message: string;
  /** Plain text, the cell's own frames. */
  traceback: string;
  /** Line of the cell, from 1, or null when it is not known. */
  line: number | null;
}

/** A MIME bundle as Jupyter has it: text types are strings, binary ones base64 strings. */
export interface DisplayOutput {
  type: "display_data" | "execute_result";
  data: Record<string, string>;
  metadata: Record<string, unknown>;
}

export interface ExecutionUsage {
  wall_ms: number;
  cpu_ms: number;
  peak_memory_bytes: number;
}

/** A file that a call left in `$OUTPUT_DIR`, with its bytes. */
export interface OutputFile {
  filename: string;
  mimeType: string;
  bytes: Buffer;
  /** The same figure has come as an output already, so whoever counts pictures leaves this one out. */
  displayed: boolean;
}

/** What the client said to a call; `timeout` when it said nothing in time. */
export interface FunctionAnswer {
  outcome: "result" | "error" | "timeout";
  text: string;
}

/**
 * Code has called one of its functions and waits for the answer. The name is a declared one and the input
 * a JSON object of bounded size and depth, but what they say is the code's.
 */
export interface FunctionCall {
  name: string;
  input: Record<string, unknown>;
  /** Once; later answers, and those to code that has ended, do nothing. */
  answer(answer: FunctionAnswer): void;
}

/** A function of the code that somebody outside answers. */
export interface CodeFunction {
  /** As calls name it. */
  name: string;
  /** As Python calls it: an identifier. */
  functionName: string;
  /** For `help()`. */
  doc: string;
  /** In order, for code that gives values instead of a dict. */
  parameters: readonly string[];
}

/**
 * Events of one execution, in the order the code caused them. Exactly one `done` closes the stream.
 * Consecutive output of one stream may be split at any character, never inside one.
 */
export type ExecutionEvent =
  | { type: "stdout"; text: string }
  | { type: "stderr"; text: string }
  | { type: "output"; output: DisplayOutput }
  | { type: "file"; file: OutputFile }
  /** Made together. While one of them has no answer the time limit stands still. */
  | { type: "calls"; calls: FunctionCall[] }
  | {
      type: "done";
      status: ExecutionStatus;
      error: ExecutionError | null;
      return_code: number;
      usage: ExecutionUsage;
      /** Set when output beyond the limit was left out. */
      truncated: boolean;
      /** One sentence for the model when the session's state is not what it may expect, else null. */
      notice: string | null;
    };

export interface ExecuteOptions {
  code: string;
  language: "python" | "bash";
  timeoutMs: number;
  /** Deliver stdout and stderr while the code runs; otherwise they may come with `done`. */
  live: boolean;
  /** What the code can call; without any there are no `calls`. */
  functions?: readonly CodeFunction[];
  /**
   * Where the interpreter had to be started anew, run the container's earlier cells again first. Left out: as the
   * setting `replay` has it.
   */
  replay?: boolean | undefined;
}

/** What stands at a path of a container: a regular file, or a folder with what it holds, two levels deep. */
export type Place =
  | { type: "file"; bytes: Buffer }
  | { type: "folder"; entries: { path: string; sizeBytes: number | null }[] };

export interface WorkspaceFile {
  /** Relative to the workspace, `/` between parts. */
  path: string;
  sizeBytes: number;
  /** Milliseconds since 1970. */
  modifiedMs: number;
}

export interface ContainerInfo {
  readonly id: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export interface Container extends ContainerInfo {
  readonly history: ContainerHistory;
  /**
   * Runs Python in the container's session, or a command in a fresh shell beside it: both see the same files,
   * a shell keeps nothing else. When `signal` aborts, the code is stopped and the iteration ends with a `done`.
   * Code that waits for answers to its `calls` makes way for the next execution: it is stopped, and its
   * iteration ends without a `done`.
   */
  execute(options: ExecuteOptions, signal: AbortSignal): AsyncIterable<ExecutionEvent>;
  /** Throws `invalid_request` for a path that leaves the workspace or a file over the limits. */
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  /** Throws `not_found` when there is no regular file at that path. */
  readFile(path: string): Promise<Buffer>;
  listFiles(): Promise<WorkspaceFile[]>;
  /**
   * For an editor: as `readFile`, but of folders too, and absolute paths may lead to every place that code can
   * write to. A folder's entries have null for the size of a folder. Throws `not_found`.
   */
  look(path: string): Promise<Place>;
  /** The same for writing. Gives whether the file was there before. */
  edit(path: string, bytes: Uint8Array): Promise<boolean>;
}

/** Named states of a container, and branches from the present one. Calls queue like executions. */
export interface ContainerHistory {
  /** Names the present state, variables and workspace; a name that is there is given anew. */
  create(name: string): Promise<Checkpoint>;
  list(): Checkpoint[];
  /** Throws `not_found`. The checkpoint stays. */
  restore(name: string): Promise<void>;
  delete(name: string): Promise<void>;
  /**
   * Calls `run` once for each cell, each time from the present state, and ends there again. `execute` is the
   * container's own, for use inside.
   */
  branch<Result>(
    count: number,
    run: (index: number, execute: Container["execute"]) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<[id: string, results: Result[]]>;
  /** Makes the state after one of a branch's cells the present one; null forgets them all. */
  keep(id: string, index: number | null): Promise<void>;
}

export interface Checkpoint {
  name: string;
  createdAt: Date;
}

export interface Containers {
  create(): Promise<Container>;
  /**
   * Throws `not_found` for an id that is unknown or expired. Moves the expiry forward. A container whose sandbox has
   * ended, with a server before this one perhaps, gets a fresh one with its files when it is used.
   */
  get(id: string): Promise<Container>;
  list(): ContainerInfo[];
  delete(id: string): Promise<void>;
  close(): Promise<void>;
}
