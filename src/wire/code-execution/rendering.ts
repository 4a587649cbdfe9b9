/**
 * How executions look to the client. A dated version of the tool chooses a rendering; both are accepted
 * back in any later request.
 */
import type { RejectionCode, SandboxOutput } from "../../tools/tool.ts";
import type { CallerType, ResultContent, ThinkingContent } from "../events.ts";

export interface Rejection {
  errorCode: RejectionCode;
  message: string;
}

/** The use that a result belongs to; the blocks of a result depend on the tool. */
export interface UseReference {
  id: string;
  name: string;
}

export interface Rendering {
  readonly name: "native" | "lesson";
  /** Files and charts are shown as ids of the Files API, so they have to be kept there. */
  readonly showsFileIds: boolean;
  /** A thinking block before its first words. */
  startThinking(): ThinkingContent;
  /** At least one block for every use. */
  toResultBlocks(use: UseReference, output: SandboxOutput): ResultContent[];
  toRejectionBlocks(use: UseReference, rejection: Rejection): ResultContent[];
}

export interface CodeExecutionVersion {
  /** As the request declares it: `code_execution_20250522`. */
  readonly type: string;
  /** How its code is named as a caller of the client's tools; null where code cannot call any. */
  readonly caller: CallerType | null;
  /** The tools that the model gets for it. */
  readonly tools: readonly string[];
  rendering(betas: ReadonlySet<string>): Rendering;
}
