/**
 * print(1) on a live container, against a bare HTTP echo, a Jupyter kernel and a bare fork.
 *
 * It changes nothing, so that the session keeps the checkpoint that it has. `x = 1` costs a new one after each
 * cell, and has a row of its own.
 */
import type { Bench, GroupResult } from "../bench.ts";
import type { BenchContainer } from "../curta.ts";
import { createHttpClient } from "../http-client.ts";
import type { HttpClient } from "../http-client.ts";
import { interleave } from "../interleave.ts";
import type { PythonProcess } from "../python-process.ts";
import { atMost, describeTimes } from "../row.ts";
import type { Row } from "../row.ts";
import { summarize } from "../statistics.ts";

type Times = Record<"Curta" | "Curta, x = 1" | "echo" | "Jupyter" | "bare fork", number[]>;

const PAUSE_MS = 50;

export async function runLive(bench: Bench): Promise<GroupResult> {
  const { contestants, quick, signal } = bench;
  const [curta, echo, jupyter, fork] = await Promise.all([
    contestants.curta(),
    contestants.echo(),
    contestants.jupyter(),
    contestants.fork(),
  ]);
  const client = createHttpClient(echo.url);
  const container = await curta.container();
  const calls = toCalls(container, client, jupyter, fork);
  const apart = quick ? { rounds: 3, block: 10 } : { rounds: 8, block: 18 };
  const together = quick ? { rounds: 4, block: 20 } : { rounds: 8, block: 40 };
  const spaced: Times = await interleave(
    calls,
    { ...apart, pauseMs: PAUSE_MS, budgetMs: bench.budgetMs(0.15) },
    signal,
  );
  const dense: Times = await interleave(
    calls,
    { ...together, pauseMs: 0, budgetMs: bench.budgetMs(0.06) },
    signal,
  );
  await container.delete();
  client.close();
  return {
    rows: [...judge(spaced, `${PAUSE_MS} ms apart`), ...judgeDense(dense)],
    series: { ...name(spaced, `${PAUSE_MS} ms apart`), ...name(dense, "back to back") },
  };
}

function toCalls(
  container: BenchContainer,
  client: HttpClient,
  jupyter: PythonProcess,
  fork: PythonProcess,
) {
  const code = "print(1)";
  const body = JSON.stringify({ code });
  const ask = async (process: PythonProcess, request: object) => {
    const { ms, stdout } = await process.ask(request);
    if (stdout !== "1\n") throw new Error(`A contestant printed ${JSON.stringify(stdout)}.`);
    return ms;
  };
  return {
    Curta: () => container.run(code, "1\n"),
    "Curta, x = 1": () => container.run("x = 1", ""),
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
    judgeChange(times, how),
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
    judgeChange(times, "back to back"),
  ];
}

function judgeChange(times: Times, how: string): Row {
  return {
    what: `x = 1, live, ${how}: p50 against Jupyter's print(1)`,
    figure: summarize(times["Curta, x = 1"]).p50 / summarize(times.Jupyter).p50,
    unit: "x",
    target: null,
    context: describeTimes({ "Curta, x = 1": times["Curta, x = 1"], Jupyter: times.Jupyter }),
  };
}

function name(times: Times, how: string): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(times).map(([contestant, values]) => [`${contestant}, ${how}`, values]),
  );
}
