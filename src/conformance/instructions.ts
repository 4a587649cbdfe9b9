/**
 * Instructions that any capable model follows to the letter, and that a scripted one can read: what to
 * call with which input, in which order. Cases judge what the server makes of it, never what was said.
 */
import { z } from "zod";

export interface Step {
  /** As the model knows the tool. */
  tool: string;
  input: Record<string, unknown>;
}

export interface Instructions {
  steps: Step[];
  /** All calls in one reply, before any result is seen. */
  atOnce: boolean;
  /** The last words. */
  answer: string;
}

/** Only a scripted model does this: after its first words it fails as an overloaded server does. */
export const BREAK_OFF = "Break off with an error after your first words.";

const ANSWER = "DONE";
const AT_ONCE = "Make all of these calls together in one reply, before you see any result.";
const IN_ORDER = "Make one call after the other, each only when you have the result of the last.";
const STEP =
  /^Step \d+: call the tool `([^`]+)` with exactly this input:\n```json\n([^\n]*)\n```$/gm;
const ENDING = /^(?:Then a|A)nswer with exactly this and nothing else: (.*)$/m;

export function instruct(
  steps: readonly Step[],
  { atOnce = false, answer = ANSWER }: Partial<Omit<Instructions, "steps">> = {},
): string {
  if (steps.length === 0) return `Answer with exactly this and nothing else: ${answer}`;
  const order = steps.length === 1 ? [] : [atOnce ? AT_ONCE : IN_ORDER];
  return [
    "This is a test of a connection. Call tools exactly as written and do nothing else.",
    ...order,
    ...steps.map(
      ({ tool, input }, n) =>
        `Step ${n + 1}: call the tool \`${tool}\` with exactly this input:\n\`\`\`json\n${JSON.stringify(input)}\n\`\`\``,
    ),
    "When a call fails, go on with the next step and do not repeat it.",
    `Then answer with exactly this and nothing else: ${answer}`,
  ].join("\n");
}

/** Null for a text that holds no instructions. */
export function readInstructions(text: string): Instructions | null {
  const ending = ENDING.exec(text);
  if (ending === null) return null;
  const Input = z.record(z.string(), z.unknown());
  const steps = [...text.matchAll(STEP)].map(([, tool = "", input = ""]) => ({
    tool,
    input: Input.parse(JSON.parse(input)),
  }));
  return { steps, atOnce: text.includes(AT_ONCE), answer: ending[1] ?? ANSWER };
}
