/** The versions of the code execution tool, and a turn that uses one. */
import type { Block } from "./blocks.ts";
import type { Context, Version } from "./case.ts";
import { instruct, type Instructions, type Step } from "./instructions.ts";
import type { Message } from "./message.ts";
import type { FoldedStream } from "./stream.ts";
import { Failure, Skip, check, shorten } from "./verdict.ts";

const runsPython: Pick<Version, "tool" | "resultType" | "python"> = {
  tool: "code_execution",
  resultType: "code_execution_tool_result",
  python: (code) => ({ tool: "code_execution", input: { code } }),
};

const runsBash: Pick<Version, "tool" | "resultType" | "python"> = {
  tool: "bash_code_execution",
  resultType: "bash_code_execution_tool_result",
  python: (code) => ({
    tool: "bash_code_execution",
    input: { command: `python3 - <<'PROGRAM'\n${code}\nPROGRAM` },
  }),
};

export const OLDEST: Version = {
  type: "code_execution_20250522",
  group: "code 20250522",
  betas: ["code-execution-2025-05-22"],
  ...runsPython,
};

export const VERSIONS: readonly Version[] = [
  OLDEST,
  {
    type: "code_execution_20250825",
    group: "code 20250825",
    betas: ["code-execution-2025-08-25"],
    ...runsBash,
  },
  { type: "code_execution_20260120", group: "code 20260120", betas: [], ...runsBash },
  { type: "code_execution_20260521", group: "code 20260521", betas: [], ...runsBash },
];

export const WEATHER = {
  name: "get_weather",
  description: "Returns the weather of a city as text.",
  input_schema: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
  },
};

export const askWeather = (city: string): Step => ({ tool: WEATHER.name, input: { city } });

export const declare = ({ type }: Version, more: object = {}): object => ({
  type,
  name: "code_execution",
  ...more,
});

export async function requireVersion(context: Context, version: Version): Promise<void> {
  if (!(await context.accepts(declare(version), version.betas)))
    throw new Skip(`the server does not take ${version.type}`);
}

/** The newest version that the server takes, for cases that any version serves. */
export async function anyVersion(context: Context): Promise<Version> {
  for (const version of VERSIONS)
    if (await context.accepts(declare(version), version.betas)) return version;
  throw new Skip("the server has no code execution tool");
}

export interface TurnOptions extends Partial<Omit<Instructions, "steps">> {
  /** Beside the version's own declaration. */
  tools?: object[];
  /** More fields of the request. */
  body?: object;
  /** Before the instructions. */
  messages?: object[];
}

/** A request in which the model is told to run these steps. */
export function toRequest(
  version: Version,
  steps: readonly Step[],
  { tools = [], body = {}, messages = [], ...rest }: TurnOptions = {},
): object {
  return {
    tools: [declare(version), ...tools],
    messages: [...messages, { role: "user", content: instruct(steps, rest) }],
    ...body,
  };
}

/** Runs the steps in one turn and returns the message. */
export async function take(
  context: Context,
  version: Version,
  steps: readonly Step[],
  options: TurnOptions = {},
): Promise<Message> {
  await requireVersion(context, version);
  return context.target.message(toRequest(version, steps, options), { betas: version.betas });
}

export async function takeStreamed(
  context: Context,
  version: Version,
  steps: readonly Step[],
  options: TurnOptions = {},
): Promise<FoldedStream> {
  await requireVersion(context, version);
  return context.target.stream(toRequest(version, steps, options), { betas: version.betas });
}

export function usesOf({ content }: Message): (Block & { type: "server_tool_use" })[] {
  return content.filter((block) => block.type === "server_tool_use");
}

export function resultsOf({ content }: Message): ResultBlock[] {
  return content.filter((block): block is ResultBlock => block.type.endsWith("_tool_result"));
}

export type ResultBlock = Extract<Block, { tool_use_id: string; content: unknown }>;

/** Calls of the server's tools; without so many the model did not do as it was told. */
export function requireUses(message: Message, least = 1): (Block & { type: "server_tool_use" })[] {
  const uses = usesOf(message);
  if (uses.length === 0)
    throw new Skip("the model called no tool of the server, so nothing can be said");
  if (uses.length < least)
    throw new Skip(`the model made ${uses.length} of ${least} calls, so nothing can be said`);
  return uses;
}

/** The result of the only call of a turn. */
export function onlyResult(message: Message): ResultBlock {
  const use = requireUses(message)[0]!;
  const result = resultsOf(message).find((block) => block.tool_use_id === use.id);
  check(result !== undefined, `The call ${use.id} has no result in the answer.`);
  return result;
}

/** What the program printed, whatever the family of the result. */
export function stdoutOf({ type, content }: ResultBlock): string {
  if (!Array.isArray(content) && "stdout" in content) return content.stdout;
  throw new Failure(`The ${type} is ${shorten(JSON.stringify(content))}`);
}

export function fileIdsOf({ content }: ResultBlock): string[] {
  if (Array.isArray(content) || !("stdout" in content)) return [];
  return content.content.map(({ file_id }) => file_id);
}

export function textOf({ content }: Message): string {
  return content.flatMap((block) => (block.type === "text" ? block.text : [])).join("");
}

/** A limit says something only where the model had more to say. */
export function requireMoreThan({ stop_reason, usage }: Message, tokens: number): void {
  if (stop_reason === "end_turn" && usage.output_tokens <= tokens)
    throw new Skip(`the model said no more than ${tokens} tokens by itself`);
}
