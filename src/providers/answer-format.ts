/**
 * Structured output: the JSON that the client wants for an answer, by a schema.
 *
 * A server that can hold a model to a schema is given it. Every other model is told in words, and the words go to
 * those as well: a server may take the field and do nothing with it.
 */
import type { ModelRequest } from "./provider.ts";

/** For the end of the system prompt; empty when any answer will do. */
export function askForAnswer({ answerSchema }: Pick<ModelRequest, "answerSchema">): string {
  if (answerSchema === undefined) return "";
  return `Your final answer must be one JSON value that is valid against this JSON Schema, with no other text around it:\n${JSON.stringify(answerSchema)}`;
}
