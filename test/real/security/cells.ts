/** Attacks as rows: a cell of real code, and what a harmless outcome prints. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../../src/providers/scripted.ts";
import type { Layer } from "../../../src/sandbox/layers.ts";
import { createContainer, type Answer, type TestContainer } from "../direct-client.ts";
import { startServer, type TestServer } from "../server.ts";

/** Helpers that every attack of the suite may use; run in each container first. */
export const PRELUDE = `
import ctypes, errno, os, signal, socket, struct, sys, threading, time
kept = 'kept'
libc = ctypes.CDLL(None, use_errno=True)
def attempt(action, *arguments):
    try:
        result = action(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except Exception as error:
        return type(error).__name__
    return 'done'
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a) for a in arguments))
    return errno.errorcode.get(ctypes.get_errno(), '?') if result == -1 else 'done'
x86 = os.uname().machine == 'x86_64'
`;

export interface Attack {
  /** Number in the checklist, and what is tried. */
  name: string;
  code: string;
  /** Standard output of the harmless outcome. */
  prints?: string | RegExp;
  status?: Answer["status"] | Answer["status"][];
  timeout?: number;
  /** Files, memory or processes were used up on purpose: a container of its own. */
  alone?: boolean;
  /** The session may have lost its variables, if it says so. */
  mayLose?: boolean;
  /** Looks at the rest of the answer from outside; throws what is wrong. */
  judge?: (answer: Answer, container: TestContainer, server: TestServer) => Promise<void>;
}

export function testAttacks(attacks: Attack[], env: Record<string, string> = {}): void {
  let server: TestServer;
  let shared: TestContainer;
  beforeAll(async () => {
    // TEST_WITHOUT=seccomp,landlock takes layers away, to see the tests behind them fail.
    const without = (process.env.TEST_WITHOUT ?? "").split(",").filter((name) => name !== "");
    server = await startServer({
      provider: new ScriptedProvider([]),
      env,
      without: without as Layer[],
    });
    shared = await createContainer(server);
    await shared.print(PRELUDE);
  });
  afterAll(() => server.close());

  test.each(attacks)("$name", async (attack) => {
    const container = attack.alone ? await createContainer(server) : shared;
    if (attack.alone) await container.print(PRELUDE);
    const answer = await container.execute(attack.code, attack.timeout);
    const next = await container.execute("print(kept)");
    const isLost = attack.mayLose === true && saysLost(answer, next);
    const then = isLost ? await container.execute(`${PRELUDE}\nprint(kept)`) : next;
    expect([
      ...problemsOf(attack, answer),
      ...(then.stdout === "kept\n" ? [] : tell(then)),
    ]).toEqual([]);
    await attack.judge?.(answer, container, server);
    if (attack.alone) await container.delete();
  });
}

function saysLost(answer: Answer, next: Answer): boolean {
  return [answer, next].some(({ notice }) => notice?.includes("are gone") ?? false);
}

/** What differs from the harmless outcome, as lines of the failure's report. */
function problemsOf({ prints, status = "ok", timeout = 10 }: Attack, answer: Answer): string[] {
  const isPrinted =
    prints === undefined ||
    (typeof prints === "string" ? answer.stdout === `${prints}\n` : prints.test(answer.stdout));
  const isAsExpected = [status].flat().includes(answer.status) && isPrinted;
  const isInTime = answer.seconds < timeout + 3;
  return isAsExpected && isInTime ? [] : tell(answer);
}

function tell(answer: Answer): string[] {
  const { status, seconds, stdout, error, notice } = answer;
  return [
    `${status} after ${seconds.toFixed(1)} s`,
    stdout.slice(0, 2000),
    error?.traceback.slice(-2000) ?? "",
    notice ?? "",
  ];
}
