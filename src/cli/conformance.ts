/** `curta conformance`: measures a server of the Messages API, this one or any other. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { loadConfig } from "../config.ts";
import { GROUPS } from "../conformance/case.ts";
import { chooseCases } from "../conformance/cases.ts";
import { createObedientModel } from "../conformance/obedient-model.ts";
import { renderLine, renderTable, tally } from "../conformance/report.ts";
import { runCases, type CaseResult, type RunOptions } from "../conformance/run.ts";
import { Target } from "../conformance/target.ts";
import { GatewayError } from "../errors.ts";
import { listen } from "../http/server.ts";
import { createReporter } from "../setup/reporter.ts";
import { createLog } from "../telemetry/log.ts";
import type { Io } from "./io.ts";
import { startService } from "./service.ts";
import { toFlags } from "./settings.ts";
import { toPrintable } from "./terminal.ts";

interface Options {
  url?: string;
  key?: string;
  model?: string;
  scripted?: boolean;
  only?: string[];
  json?: boolean;
}

const KEY = "any";
/** A model may be slow, and a case asks it several times. */
const CASE_SECONDS = 300;
/** What the hosted API's streams keep to, with room. */
const PING_SECONDS = 20;
const SCRIPTED_PING_SECONDS = 1;

export async function conformance(given: Record<string, unknown>, io: Io): Promise<number> {
  const options = given as Options;
  if (Boolean(options.scripted) === (options.url !== undefined)) {
    throw new GatewayError(
      "invalid_request",
      "give --url with the base URL of a server, or --scripted for Curta with a scripted model",
    );
  }
  if (options.url !== undefined && !/^https?:$/.test(URL.parse(options.url)?.protocol ?? ""))
    throw new GatewayError("invalid_request", `--url: ${options.url} is not a base URL`);
  const unknown = options.only?.find((word) => chooseCases([word]).length === 0);
  if (unknown !== undefined) {
    throw new GatewayError(
      "invalid_request",
      `--only: ${unknown} is no case and no group; groups are ${GROUPS.join(", ")}`,
    );
  }
  const cases = chooseCases(options.only ?? []);
  if (options.scripted) {
    await using server = await startScripted(given, io);
    return await measure(cases, { ...options, url: server.url, model: "scripted" }, io, true);
  }
  return measure(cases, options, io, false);
}

async function measure(
  cases: Parameters<typeof runCases>[0],
  options: Options,
  io: Io,
  isScripted: boolean,
): Promise<number> {
  const { url = "", key = KEY } = options;
  // Asked in any case: a server that is not there is one sentence, not a failure of every case.
  const listed = await findModel(url, key, io.signal);
  const model = options.model ?? listed.model;
  if (model === null) {
    throw new GatewayError(
      "invalid_request",
      `${url} lists no models (status ${listed.status}); name one with --model, and give --key if it wants a key`,
    );
  }
  const target = new Target({ url, key, model, signal: io.signal });
  const settings: RunOptions = {
    target,
    isScripted,
    pingSeconds: isScripted ? SCRIPTED_PING_SECONDS : PING_SECONDS,
    caseSeconds: CASE_SECONDS,
    signal: io.signal,
  };
  const results: CaseResult[] = [];
  for await (const result of runCases(cases, settings)) {
    results.push(result);
    // Reasons quote the server.
    if (!options.json) io.stdout.write(toPrintable(renderLine(result)));
  }
  if (options.json) {
    const report = { url, model, groups: tally(results), cases: results };
    io.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  } else io.stdout.write(`\n${renderTable(results)}`);
  return results.some(({ outcome }) => outcome === "fail") ? 1 : 0;
}

/** The first model that the server lists. */
async function findModel(
  url: string,
  key: string,
  signal: AbortSignal,
): Promise<{ model: string | null; status: number }> {
  const target = new Target({ url, key, model: "", signal });
  const answer = await target.send("GET", "/v1/models").catch((cause: unknown) => {
    signal.throwIfAborted();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayError("invalid_request", `${url} does not answer. ${reason}`, { cause });
  });
  const list = answer.json as { data?: { id?: unknown }[] } | undefined;
  const id = list?.data?.[0]?.id;
  return { model: typeof id === "string" ? id : null, status: answer.status };
}

/** Curta on a free port, with a data folder that is thrown away. */
async function startScripted(
  options: Record<string, unknown>,
  io: Io,
): Promise<AsyncDisposable & { url: string }> {
  await using started = new AsyncDisposableStack();
  const data = await mkdtemp(join(tmpdir(), "curta-conformance-"));
  started.defer(() => rm(data, { recursive: true, force: true }));
  const flags = { ...toFlags(options), data, port: 0, host: "127.0.0.1", apiKeys: "" };
  const config = loadConfig({
    env: io.env,
    // Cases make things fail; what a case says of it is enough.
    flags: { log: "silent", ...flags, pingSeconds: SCRIPTED_PING_SECONDS },
  });
  const log = createLog(config, io.stderr);
  const reporter = createReporter(io.stderr);
  const service = await startService(config, log, reporter, io.signal, async () =>
    createObedientModel(),
  );
  started.defer(() => service.close());
  const server = await listen(service.fetch, config, service.inFlight, log);
  started.defer(async () => void (await server.shutdown()));
  const running = started.move();
  return { url: server.url, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
