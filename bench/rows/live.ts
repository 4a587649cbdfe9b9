/** print(1) on a live container, against a bare HTTP echo, a Jupyter kernel and a bare fork. */
import type { Bench, GroupResult } from "../bench.ts";
import { startCurta } from "../curta.ts";
import type { Curta } from "../curta.ts";
import { createHttpClient } from "../http-client.ts";
import { interleave } from "../interleave.ts";
import type { Schedule } from "../interleave.ts";
import { startPython } from "../python-process.ts";
import type { PythonProcess } from "../python-process.ts";
import { atMost, describeTimes } from "../row.ts";
import type { Row } from "../row.ts";
import { startServerProcess } from "../server-process.ts";
import { summarize } from "../statistics.ts";

type Times = Record<"Curta" | "echo" | "Jupyter" | "bare fork", number[]>;

const PAUSE_MS = 50;

export async function runLive(bench: Bench): Promise<GroupResult> {
  await using started = new AsyncDisposableStack();
  const [curta, echo, jupyter, fork] = await Promise.all([
    startCurta(bench.cache).then((it) => started.use(it)),
    startServerProcess("bench/echo.ts", [], process.env).then((it) => started.use(it)),
    startPython("jupyter", bench.jupyter).then((it) => started.use(it)),
    startPython("bare_fork", bench.python).then((it) => started.use(it)),
  ]);
  const contestants = await createContestants(curta, echo.url, jupyter, fork, started);
  const { quick } = bench.options;
  const apart: Schedule = quick
    ? { rounds: 4, block: 8, pauseMs: PAUSE_MS, budgetMs: 10_000 }
    : { rounds: 10, block: 15, pauseMs: PAUSE_MS, budgetMs: 45_000 };
  const together: Schedule = quick
    ? { rounds: 5, block: 20, pauseMs: 0, budgetMs: 4_000 }
    : { rounds: 10, block: 40, pauseMs: 0, budgetMs: 15_000 };
  const spaced: Times = await interleave(contestants, apart, bench.signal);
  const dense: Times = await interleave(contestants, together, bench.signal);
  return {
    rows: [...judge(spaced, `${PAUSE_MS} ms apart`), ...judgeDense(dense)],
    series: { ...name(spaced, `${PAUSE_MS} ms apart`), ...name(dense, "back to back") },
  };
}

async function createContestants(
  curta: Curta,
  echoUrl: string,
  jupyter: PythonProcess,
  fork: PythonProcess,
  started: AsyncDisposableStack,
) {
  const client = started.adopt(createHttpClient(echoUrl), (opened) => opened.close());
  const container = await curta.container();
  const code = "print(1)";
  const body = JSON.stringify({ code });
  const ask = async (process: PythonProcess, request: object) => {
    const { ms, stdout } = await process.ask(request);
    if (stdout !== "1\n") throw new Error(`A contestant printed ${JSON.stringify(stdout)}.`);
    return ms;
  };
  return {
    Curta: () => container.run(code, "1\n"),
    echo: async () => {
      const { ms, status } = await client.send("POST", "/echo", body);
      if (status !== 200) throw new Error(`The echo answered ${status}.`);
      return ms;
    },
    Jupyter: () => ask(jupyter, { op: "run", code }),
    "bare fork": () => ask(fork, { op: "live", code }),
  };
}

function judge(times: Times, how: string): Row[] {
  const [own, echo, jupyter] = [times.Curta, times.echo, times.Jupyter].map(summarize);
  const tail = Math.max(3 * echo!.p99, 5 * own!.p50);
  return [
    {
      what: `print(1), live, ${how}: p50 against Jupyter's`,
      figure: own!.p50 / jupyter!.p50,
      unit: "x",
      target: atMost(1 / 3),
      context: describeTimes(times),
    },
    {
      what: `print(1), live, ${how}: p50 above the echo's`,
      figure: own!.p50 - echo!.p50,
      unit: "ms",
      target: atMost(2),
      context: `${(own!.p50 / echo!.p50).toFixed(1)} x the echo, ${(own!.p50 / summarize(times["bare fork"]).p50).toFixed(1)} x the bare fork`,
    },
    {
      what: `print(1), live, ${how}: p99 against 3 x the echo's or 5 x its own p50`,
      figure: own!.p99 / tail,
      unit: "x",
      target: atMost(1),
      context: `p99 ${own!.p99.toFixed(2)} ms, bound ${tail.toFixed(2)} ms`,
    },
  ];
}

function judgeDense(times: Times): Row[] {
  const [own, jupyter] = [times.Curta, times.Jupyter].map(summarize);
  return [
    {
      what: "print(1), live, back to back: p50 against Jupyter's",
      figure: own!.p50 / jupyter!.p50,
      unit: "x",
      target: atMost(1),
      context: describeTimes(times),
    },
  ];
}

function name(times: Times, how: string): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(times).map(([contestant, values]) => [`${contestant}, ${how}`, values]),
  );
}
