/** Attacks as rows: a cell of real code, and what a harmless outcome prints. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { ScriptedProvider } from "../../../src/providers/scripted.ts";
import { createContainer, type Answer, type TestContainer } from "../direct-client.ts";
import { startServer, type TestServer } from "../server.ts";

/** Helpers that every attack of the suite may use; run in each container first. */
const PRELUDE = `
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
}

export function describeAttacks(
  group: string,
  attacks: Attack[],
  env: Record<string, string> = {},
): void {
  describe(group, () => {
    let server: TestServer;
    let shared: TestContainer;
    beforeAll(async () => {
      // CURTA_TEST_WEAKEN takes a protection away, to see the tests behind it fail.
      const weaken = process.env.CURTA_TEST_WEAKEN;
      server = await startServer({
        provider: new ScriptedProvider([]),
        env: { ...env, ...(weaken === undefined ? {} : { CURTA_WEAKEN: weaken }) },
      });
      shared = await createContainer(server);
      await shared.print(PRELUDE);
    });
    afterAll(() => server.close());

    test.each(attacks)(
      "$name",
      async ({ code, prints, status = "ok", timeout = 10, alone, mayLose }) => {
        const container = alone ? await createContainer(server) : shared;
        if (alone) await container.print(PRELUDE);
        const answer = await container.execute(code, timeout);
        const stdout = answer.stdout.slice(0, 5000);
        const story = [stdout, answer.error?.traceback.slice(-3000), answer.notice].join("\n");
        expect([status].flat(), story).toContain(answer.status);
        if (typeof prints === "string") expect(stdout, story).toBe(`${prints}\n`);
        else if (prints !== undefined) expect(stdout, story).toMatch(prints);
        expect(answer.seconds).toBeLessThan(timeout + 3);
        const next = await container.execute("print(kept)");
        const isLost = answer.notice?.includes("all variables are gone") ?? next.notice !== null;
        if (mayLose && isLost) {
          expect(await container.print("print('anew')")).toBe("anew\n");
          await container.print(PRELUDE);
        } else expect(next.stdout, `${next.error?.traceback} ${next.notice}`).toBe("kept\n");
        if (alone) await container.delete();
      },
    );
  });
}
