/** Runs cases one after the other and says of each how it ended. */
import type { Case, Context } from "./case.ts";
import { instruct } from "./instructions.ts";
import type { Target } from "./target.ts";
import { Failure, Skip } from "./verdict.ts";

export interface CaseResult {
  name: string;
  group: string;
  title: string;
  outcome: "ok" | "fail" | "skipped";
  /** Empty when all is well. */
  reason: string;
  ms: number;
}

export interface RunOptions {
  target: Target;
  isScripted: boolean;
  pingSeconds: number;
  caseSeconds: number;
  signal: AbortSignal;
}

export async function* runCases(
  cases: readonly Case[],
  options: RunOptions,
): AsyncGenerator<CaseResult> {
  const { target, isScripted, pingSeconds, caseSeconds, signal } = options;
  const accepts = createProbe(target);
  for (const { name, group, title, run } of cases) {
    signal.throwIfAborted();
    const started = performance.now();
    const limit = AbortSignal.any([signal, AbortSignal.timeout(caseSeconds * 1000)]);
    const context: Context = { target: target.within(limit), isScripted, pingSeconds, accepts };
    const { outcome, reason } = await judge(() => run(context), limit, caseSeconds);
    signal.throwIfAborted();
    yield { name, group, title, outcome, reason, ms: Math.round(performance.now() - started) };
  }
}

async function judge(
  run: () => Promise<void>,
  limit: AbortSignal,
  seconds: number,
): Promise<Pick<CaseResult, "outcome" | "reason">> {
  try {
    await Promise.race([run(), rejectedBy(limit)]);
    return { outcome: "ok", reason: "" };
  } catch (thrown) {
    if (limit.aborted) return { outcome: "fail", reason: `No end after ${seconds} seconds.` };
    if (thrown instanceof Skip) return { outcome: "skipped", reason: thrown.message };
    if (thrown instanceof Failure) return { outcome: "fail", reason: thrown.message };
    // A case stumbles over something that it did not foresee: that is the server's doing, too.
    return { outcome: "fail", reason: `The answer cannot be read: ${String(thrown)}` };
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Whether a declaration is taken: asked once, with a request that is fine otherwise. */
function createProbe(target: Target): Context["accepts"] {
  const known = new Map<string, Promise<boolean>>();
  return (tool, betas = []) => {
    const key = JSON.stringify([tool, betas]);
    const asked = known.get(key) ?? ask(tool, betas);
    known.set(key, asked);
    return asked;
  };

  async function ask(tool: object, betas: readonly string[]): Promise<boolean> {
    const { type } = tool as { type?: string };
    const beside =
      type === undefined ? [{ type: "code_execution_20260120", name: "code_execution" }] : [];
    const answer = await target.send("POST", "/v1/messages", {
      json: {
        model: target.model,
        max_tokens: 64,
        tools: [...beside, tool],
        messages: [{ role: "user", content: instruct([]) }],
      },
      betas,
    });
    return answer.status === 200;
  }
}
