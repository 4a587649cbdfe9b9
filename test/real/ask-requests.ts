/** Sends requests to a running server as a user does, one after the other, and judges the answers. */
import Anthropic from "@anthropic-ai/sdk";

import { judge, toOutcome, type AnswerBlock, type RequestCase } from "./requests.ts";

export interface Result {
  name: string;
  /** Null when the answer is right. */
  problem: string | null;
  seconds: number;
  programs: number;
}

export async function askRequests(
  url: string,
  requests: readonly RequestCase[],
): Promise<Result[]> {
  const client = new Anthropic({ baseURL: url, apiKey: "any", maxRetries: 0, timeout: 590_000 });
  const results: Result[] = [];
  for (const request of requests) results.push(await askRequest(client, request));
  return results;
}

async function askRequest(client: Anthropic, request: RequestCase): Promise<Result> {
  const start = performance.now();
  const body = {
    model: "claude-sonnet-4-20250514",
    max_tokens: 4096,
    tools: [{ type: "code_execution_20250522", name: "code_execution" }],
    messages: [{ role: "user", content: request.content }],
  };
  let problem: string | null;
  let programs = 0;
  try {
    const answer: { content: AnswerBlock[] } = await client.post("/v1/messages", { body });
    const outcome = toOutcome(answer.content);
    programs = outcome.executions.length;
    problem = judge(request, outcome);
  } catch (error) {
    problem = String(error);
  }
  return { name: request.name, problem, seconds: (performance.now() - start) / 1000, programs };
}

/** One line for each, as the test prints it. */
export function describeResults(results: readonly Result[]): string {
  return results
    .map(({ name, problem, seconds, programs }) => {
      const times = `${seconds.toFixed(0)} s, ${programs} ${programs === 1 ? "program" : "programs"}`;
      return `${problem === null ? "right" : "WRONG"}  ${name} (${times})${problem === null ? "" : `: ${problem}`}`;
    })
    .join("\n");
}
