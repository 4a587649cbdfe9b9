import type { RejectionCode, ToolEvent } from "./tool.ts";

/** A use that is not run: the client gets the code of the error, the model the sentence. */
export function* reject(
  errorCode: RejectionCode,
  message: string,
): Generator<Exclude<ToolEvent, { type: "calls" }>> {
  yield { type: "rejected", errorCode, message };
  yield { type: "result", content: [{ type: "text", text: message }], isError: true, output: null };
}
