/**
 * `npm run bench -- --soak`: many sessions run honest and hostile cells at random, and then nothing may be left.
 *
 * The server is used once with every kind of cell and action (soak-actions.ts: undo, branches, parking, clients
 * that go, deletions) and emptied; what it holds then is what it may hold at the end. Honest cells must end well
 * whatever their neighbours do, and every session must go on after each hostile one. At the end all containers
 * and files are deleted, and what the server holds is compared: TOLERANCE says what may be more.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import type { Execution } from "../src/http/execution.ts";
import { createContainer, startCurta } from "./curta.ts";
import { createHttpClient, type HttpClient } from "./http-client.ts";
import { ACTIONS, PARK_SECONDS, type SoakAction, type Soaked } from "./soak-actions.ts";
import { HONEST, HOSTILE, type SoakCell } from "./soak-cells.ts";
import { countHoldings, type Holdings } from "./soak-state.ts";

export interface SoakOptions {
  cache: string;
  minutes: number;
  sessions: number;
  signal: AbortSignal;
}

/** Cells under way at once: the others think, as models do. */
const ACTIVE = 6;
/** For each a request under way and a deletion that does not wait for it. */
const CONNECTIONS = 2 * ACTIVE;
/** What may be more at the end: the load's connections, buffers of the runtimes, and what the ledger writes for good. */
const TOLERANCE: Record<keyof Holdings, number> = {
  processes: 0,
  "descriptors of the server": CONNECTIONS,
  "descriptors of the sandbox's own processes": 0,
  mounts: 0,
  "control groups": 0,
  "files in the data folder and the temporary one": 0,
  "data folder, MiB": 8,
  "memory of the server, MiB": 96,
  "memory of the sandbox's own processes, MiB": 32,
};
/** One row of the ledger with its index. */
const LEDGER_MIB = 1 / 1024;
const THINK_MS_MAX = 1500;
const HOSTILE_SHARE = 0.3;
const ACTION_SHARE = 0.2;
/** Now and then a session ends and another one begins. */
const RENEW_SHARE = 0.03;
const WARM_MS = 20_000;
const SETTLE_MS_MAX = 30_000;
const WRONG_MAX = 20;

interface Tally {
  cells: number;
  hostile: number;
  containers: number;
  /** How often, by the action's name. */
  actions: Record<string, number>;
  wrong: string[];
}

/** Prints what happened, and resolves with whether nothing leaked and nothing went wrong. */
export async function runSoak({ cache, minutes, sessions, signal }: SoakOptions): Promise<boolean> {
  const data = await mkdtemp(join(tmpdir(), "curta-soak-"));
  await using started = new AsyncDisposableStack();
  started.defer(() => rm(data, { recursive: true, force: true }));
  await mkdir(join(data, "tmp"));
  const settings = {
    CURTA_CONTAINERS: String(sessions + ACTIVE),
    CURTA_PARK_SECONDS: String(PARK_SECONDS),
    CURTA_DATA: data,
    // Counted with the data.
    TMPDIR: join(data, "tmp"),
  };
  const curta = started.use(await startCurta(cache, settings));
  const client = started.adopt(createHttpClient(curta.url, CONNECTIONS), (opened) =>
    opened.close(),
  );
  const tally: Tally = { cells: 0, hostile: 0, containers: 0, actions: {}, wrong: [] };
  const count = () => countHoldings(curta.processId, data);

  const turns = createTurns(ACTIVE);
  await Promise.all(Array.from({ length: ACTIVE }, () => warm(client, tally, turns)));
  const liveFor = async (ms: number) => {
    const until = Date.now() + ms;
    const live = async () => {
      while (Date.now() < until) await runSession(client, tally, until, turns, signal);
    };
    await Promise.all(Array.from({ length: sessions }, live));
    await deleteFiles(client);
  };
  // As many at once as there will be: what the runtimes keep for that is no leak.
  await liveFor(WARM_MS);
  const before = await settle(count, null);
  await liveFor(minutes * 60_000);
  const after = await settle(count, before);
  return report(before, after, tally, minutes, sessions);
}

/** Each kind once, so that what a server keeps of the first of anything is there before the count. */
async function warm(client: HttpClient, tally: Tally, turns: Turns): Promise<void> {
  for (const cell of [...HONEST, ...HOSTILE]) {
    const container = await openContainer(client, tally, turns);
    await container.run(cell);
    await container.delete();
  }
  for (const action of ACTIONS) {
    const container = await openContainer(client, tally, turns);
    await act(container, action, tally);
    if (action.ends !== true) await container.delete();
  }
  await deleteFiles(client);
}

async function runSession(
  client: HttpClient,
  tally: Tally,
  until: number,
  turns: Turns,
  signal: AbortSignal,
): Promise<void> {
  const container = await openContainer(client, tally, turns);
  let isFresh = true;
  while (Date.now() < until && (isFresh || Math.random() > RENEW_SHARE)) {
    await delay(Math.random() * THINK_MS_MAX * 2, undefined, { signal });
    if (Math.random() < ACTION_SHARE) {
      const action = pick(ACTIONS);
      await act(container, action, tally);
      if (action.ends === true) return;
    } else {
      const isHostile = Math.random() < HOSTILE_SHARE;
      await tell(container, pick(isHostile ? HOSTILE : HONEST), tally);
      if (isHostile) await tell(container, HONEST[0]!, tally);
    }
    isFresh = false;
  }
  await container.delete();
}

async function tell(container: Soaked, cell: SoakCell, tally: Tally): Promise<void> {
  const problem = await container.run(cell);
  if (problem !== null) complain(tally, problem);
}

async function act(container: Soaked, action: SoakAction, tally: Tally): Promise<void> {
  tally.actions[action.name] = (tally.actions[action.name] ?? 0) + 1;
  try {
    const problem = await action.run(container);
    if (problem !== null) complain(tally, `${action.name}: ${problem}`);
  } catch (error) {
    complain(tally, `${action.name}: ${String(error)}`);
  }
}

async function openContainer(client: HttpClient, tally: Tally, turns: Turns): Promise<Soaked> {
  const { id } = await turns(() => createContainer(client));
  tally.containers += 1;
  const path = `/v1/containers/${id}`;
  const send = async (method: string, below: string, body?: object, signal?: AbortSignal) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const answer = await client.send(method, path + below, text, signal);
    return { status: answer.status, body: answer.body.toString() };
  };
  let isTainted = false;
  return {
    get isTainted() {
      return isTainted;
    },
    async run(cell) {
      tally.cells += 1;
      if (cell.mayForget) tally.hostile += 1;
      isTainted ||= cell.mayForget === true;
      return await turns(() => runCell(send, cell, isTainted));
    },
    send: (...request) => turns(() => send(...request)),
    delete: async () => (await send("DELETE", "")).status,
  };
}

/** Gives what was wrong with its end, or null. */
async function runCell(
  send: Soaked["send"],
  cell: SoakCell,
  isTainted: boolean,
): Promise<string | null> {
  const { code, timeoutSeconds, language } = cell;
  const leaving =
    cell.leaveAfterMs === undefined ? undefined : AbortSignal.timeout(cell.leaveAfterMs);
  try {
    const body = { code, timeout: timeoutSeconds, ...(language && { language }) };
    const answer = await send("POST", "/execute", body, leaving);
    // Threads of a hostile cell that ended by itself live on, as they may.
    if (isTainted && answer.body.includes('"name":"ProcessLimit"')) return null;
    const problem = judge(cell, answer.status, answer.body);
    return problem === null ? null : `${cell.name}: ${problem}`;
  } catch (error) {
    return leaving?.aborted === true ? null : `${cell.name}: ${String(error)}`;
  }
}

function judge(cell: SoakCell, status: number, body: string): string | null {
  if (status !== 200) return `${status} ${body.slice(0, 300)}`;
  const execution = JSON.parse(body) as Execution;
  const pictures = execution.outputs.filter((output) => "image/png" in output.data).length;
  const isRight =
    cell.statuses.includes(execution.status) &&
    (cell.stdout === undefined || execution.stdout === cell.stdout) &&
    (cell.pictures === undefined || pictures === cell.pictures) &&
    (cell.files === undefined || execution.files.length === cell.files);
  if (isRight) return null;
  const { error, notice, stdout } = execution;
  return JSON.stringify({
    status: execution.status,
    error: error?.message,
    notice,
    stdout: stdout.slice(0, 100),
  });
}

function complain(tally: Tally, problem: string): void {
  if (tally.wrong.length < WRONG_MAX) tally.wrong.push(problem);
}

async function deleteFiles(client: HttpClient): Promise<void> {
  for (;;) {
    const { body } = await client.send("GET", "/v1/files?limit=1000");
    const { data } = JSON.parse(body.toString()) as { data: { id: string }[] };
    if (data.length === 0) return;
    for (const { id } of data) await client.send("DELETE", `/v1/files/${id}`);
  }
}

/** The last look, when nothing has changed for a second or everything is within bounds. */
async function settle(count: () => Holdings, before: Holdings | null): Promise<Holdings> {
  const deadline = Date.now() + SETTLE_MS_MAX;
  let last = count();
  let unchanged = 0;
  while (Date.now() < deadline && unchanged < 3) {
    await delay(1000);
    const next = count();
    const same =
      next.processes === last.processes && next["control groups"] === last["control groups"];
    const isSound = before === null || leaks(before, next, 0).length === 0;
    unchanged = same && isSound ? unchanged + 1 : 0;
    last = next;
  }
  return last;
}

function leaks(before: Holdings, after: Holdings, cells: number): (keyof Holdings)[] {
  const names = Object.keys(TOLERANCE) as (keyof Holdings)[];
  return names.filter((name) => after[name] - before[name] > tolerance(name, cells));
}

function tolerance(name: keyof Holdings, cells: number): number {
  return TOLERANCE[name] + (name === "data folder, MiB" ? cells * LEDGER_MIB : 0);
}

function report(
  before: Holdings,
  after: Holdings,
  tally: Tally,
  minutes: number,
  sessions: number,
): boolean {
  const leaked = leaks(before, after, tally.cells);
  const lines = (Object.keys(TOLERANCE) as (keyof Holdings)[]).map((name) => {
    const figures = [before[name], after[name], tolerance(name, tally.cells)].map((figure) =>
      (Number.isInteger(figure) ? String(figure) : figure.toFixed(1)).padStart(9),
    );
    return `  ${leaked.includes(name) ? "LEAK" : "ok  "} ${name.padEnd(44)}${figures.join("")}`;
  });
  const head = `  ${"".padEnd(49)}${["before", "after", "may grow"].map((word) => word.padStart(9)).join("")}`;
  const actions = Object.entries(tally.actions).map(([name, times]) => `${name} ${times}`);
  const wrong = tally.wrong.map((problem) => `  WRONG ${problem}\n`).join("");
  process.stdout.write(
    `\nSoak: ${sessions} sessions at a time for ${minutes} minutes, ${tally.containers} in all, ${tally.cells} cells, ${tally.hostile} of them hostile; ${actions.join(", ")}\n${head}\n${lines.join("\n")}\n${wrong}`,
  );
  return leaked.length === 0 && tally.wrong.length === 0;
}

type Turns = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Lets so many run at once; the others wait in order. */
function createTurns(places: number): Turns {
  let free = places;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

function pick<Item>(items: readonly Item[]): Item {
  return items[Math.floor(Math.random() * items.length)]!;
}
