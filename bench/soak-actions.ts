/**
 * What the soak does with a container beyond single cells: undo, branches, naps long enough to be parked, clients
 * that go away and containers that are deleted in the middle of something. Each checks what came of it.
 */
import { setTimeout as delay } from "node:timers/promises";

import type { Execution } from "../src/http/execution.ts";
import { honest, hostile, type SoakCell } from "./soak-cells.ts";

/** One container, as an action uses it. */
export interface Soaked {
  /** Runs a cell and gives what was wrong with its end, or null. */
  run(cell: SoakCell): Promise<string | null>;
  /** A request below the container's path; waits for its turn. */
  send(method: string, path: string, body?: object, signal?: AbortSignal): Promise<Reply>;
  /** Deletes the container at once, whatever it does. */
  delete(): Promise<number>;
  /** Hostile cells may have left it without a process to spare. */
  readonly isTainted: boolean;
}

export interface Reply {
  status: number;
  body: string;
}

export interface SoakAction {
  name: string;
  /** The container is gone afterwards. */
  ends?: boolean;
  /** Gives what went wrong, or null. */
  run(container: Soaked): Promise<string | null>;
}

export const PARK_SECONDS = 4;
/** The server looks for idle containers every `PARK_SECONDS`. */
const NAP_MS = 2 * PARK_SECONDS * 1000 + 1000;
const LEAVE_MS_MAX = 400;
/** The session had no process or no room left for a copy of itself: refusals that hostile cells ask for. */
const REFUSED = [400, 409, 413];

const WRITE = honest(
  "prepares",
  'import os\nundone = "before"\nopen("undone", "w").write(undone)\nprint(len(os.listdir()) > 0)',
  { stdout: "True\n" },
);
const CHANGES: readonly SoakCell[] = [
  honest("changes", 'undone = "after"\nos.remove("undone")'),
  hostile("changes and crashes", 'os.remove("undone")\nimport ctypes\nctypes.string_at(0)', 5, [
    "killed",
  ]),
  { ...honest("changes by shell", "rm undone; echo x > other"), language: "bash" },
  hostile(
    "changes and does not stop",
    'import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nos.remove("undone")\nwhile True: pass',
    1,
    ["timeout"],
  ),
];
const LOOK = honest("looks", 'print(undone, open("undone").read(), os.path.exists("other"))', {
  stdout: "before before False\n",
});
const BRANCHES = [
  { code: 'undone = "first"\nopen("undone", "w").write(undone)' },
  { code: "print(undone)\n1 / 0" },
  { code: "cat undone; rm undone", language: "bash" },
  { code: "os._exit(3)" },
];
const BRANCHED = ["ok", "error", "ok", "killed"];
const CHOSEN = honest("looks", 'print(undone, open("undone").read())', {
  stdout: "first first\n",
});
const SLOW = "import time\ntime.sleep(15)";
/** Under way when the container is deleted. */
const BUSY = [
  { code: SLOW },
  { code: "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass" },
  { code: "sleep 15 & sleep 15", language: "bash" },
  { code: 'open("big", "wb").write(bytes(50_000_000))\nwhile True: print("x" * 1000)' },
];

export const ACTIONS: readonly SoakAction[] = [
  { name: "undone", run: undo },
  { name: "branched", run: branch },
  { name: "parked", run: nap },
  { name: "left in the middle of undo or branch", run: leave },
  { name: "deleted in the middle", ends: true, run: deleteInTheMiddle },
];

async function undo(container: Soaked): Promise<string | null> {
  const prepared = await container.run(WRITE);
  if (prepared !== null) return prepared;
  const marked = await container.send("POST", "/checkpoints", { name: "soak" });
  if (marked.status !== 200) return refusal(container, marked);
  const changed = await container.run(pick(CHANGES));
  if (changed !== null) return changed;
  const restored = await container.send("POST", "/checkpoints/soak/restore", {});
  if (restored.status !== 200) return tell(restored);
  const wrong = await container.run(LOOK);
  const deleted = await container.send("DELETE", "/checkpoints/soak");
  return wrong ?? (deleted.status === 200 ? null : tell(deleted));
}

async function branch(container: Soaked): Promise<string | null> {
  const prepared = await container.run(WRITE);
  if (prepared !== null) return prepared;
  const answer = await container.send("POST", "/branch", { cells: BRANCHES });
  if (answer.status !== 200) return refusal(container, answer);
  const { id, outcomes } = JSON.parse(answer.body) as {
    id: string;
    outcomes: { execution: Execution }[];
  };
  const statuses = outcomes.map(({ execution }) => execution.status);
  if (statuses.join() !== BRANCHED.join()) return `ended ${statuses.join()}`;
  const kept = await container.send("POST", `/branch/${id}/keep`, { index: 0 });
  if (kept.status !== 200) return tell(kept);
  return container.run(CHOSEN);
}

async function nap(container: Soaked): Promise<string | null> {
  const before = await container.run(honest("falls asleep", "dreamt = [1] * 1000"));
  if (before !== null) return before;
  await delay(NAP_MS);
  return container.run(honest("wakes", "print(sum(dreamt))", { stdout: "1000\n" }));
}

/** What had begun comes to its end or is stopped; the container goes on. */
async function leave(container: Soaked): Promise<string | null> {
  const leaving = () => AbortSignal.timeout(Math.random() * LEAVE_MS_MAX);
  const requests: [string, object][] = [
    ["/branch", { cells: [{ code: SLOW }, { code: "1" }] }],
    ["/checkpoints", { name: "left" }],
    ["/checkpoints/left/restore", {}],
    ["/execute", { code: "sleep 15 & sleep 15", language: "bash" }],
  ];
  for (const [path, body] of requests) {
    try {
      await container.send("POST", path, body, leaving());
    } catch {
      // Left, as it was meant to be.
    }
  }
  return container.run(honest("goes on", "print('on')", { stdout: "on\n" }));
}

async function deleteInTheMiddle(container: Soaked): Promise<string | null> {
  const running = container.send("POST", "/execute", pick(BUSY));
  await delay(Math.random() * LEAVE_MS_MAX);
  const deleted = await container.delete();
  const { status, body } = await running;
  const isEnded = status === 404 || (status === 200 && /"status":"(killed|error)"/.test(body));
  if (deleted !== 200) return `the deletion answered ${deleted}`;
  return isEnded ? null : tell({ status, body });
}

function refusal(container: Soaked, reply: Reply): string | null {
  return container.isTainted && REFUSED.includes(reply.status) ? null : tell(reply);
}

function tell({ status, body }: Reply): string {
  return `${status} ${body.slice(0, 300)}`;
}

function pick<Item>(items: readonly Item[]): Item {
  return items[Math.floor(Math.random() * items.length)]!;
}
