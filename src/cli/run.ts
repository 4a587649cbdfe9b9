/** `curta run FILE.py`: a program in a fresh sandbox, without a model. */
import { z } from "zod";

import { describeConfig } from "../config.ts";
import { readLocalFile } from "./attachments.ts";
import { connect } from "./client.ts";
import type { Client } from "./client.ts";
import { readEvents } from "./events.ts";
import type { Io } from "./io.ts";
import { saveFile, toChart } from "./save-file.ts";
import { readConfig, toFlags } from "./settings.ts";
import { dim, toPrintable } from "./terminal.ts";
import { withoutModel } from "./without-model.ts";

/** As timeout(1) has it. */
const TIMED_OUT = 124;

const Text = z.object({ text: z.string() });
const Output = z.object({ data: z.record(z.string(), z.string()) });
const StoredFile = z.object({ id: z.string(), filename: z.string() });
const Execution = z.object({
  status: z.string(),
  return_code: z.number(),
  stderr: z.string(),
  error: z.object({ name: z.string(), message: z.string(), traceback: z.string() }).nullable(),
  notice: z.string().nullable().default(null),
});

export async function run(path: string, options: Record<string, unknown>, io: Io): Promise<number> {
  const config = readConfig(options, io);
  const { bytes } = await readLocalFile(path, io.folder);
  const attached = await Promise.all(
    ((options.attach ?? []) as string[]).map((file) => readLocalFile(file, io.folder)),
  );
  await using client = await connect(config, io, async () => withoutModel);
  const container = z
    .object({ id: z.string() })
    .parse(await (await client.send("POST", "/v1/containers", { json: {} })).json());
  const base = `/v1/containers/${container.id}`;
  try {
    for (const file of attached)
      await client.send("PUT", `${base}/files/${encodeURIComponent(file.filename)}`, {
        bytes: file.bytes,
      });
    // A running server has its own limit; only one that was asked for here goes with the request.
    const chosen = describeConfig({ env: io.env, flags: toFlags(options) }).find(
      ({ name }) => name === "timeoutSeconds",
    );
    const json = {
      code: bytes.toString("utf8"),
      stream: true,
      ...(chosen?.source === "flag" && { timeout: config.timeoutSeconds }),
    };
    const answer = await client.send("POST", `${base}/execute`, { json });
    return await showExecution(answer, client, { path, asJson: Boolean(options.json) }, io);
  } finally {
    // An interrupted command still cleans up; a server that is gone has nothing to clean.
    await client.send("DELETE", base, { signal: AbortSignal.timeout(5000) }).catch(() => {});
  }
}

/** Prints an execution as it happens, saves its charts and files, and returns its exit code. */
export async function showExecution(
  answer: Response,
  client: Client,
  { path, asJson }: { path: string; asJson: boolean },
  io: Io,
): Promise<number> {
  let charts = 0;
  const saved: string[] = [];
  for await (const { event, data } of readEvents(answer)) {
    if (event === "stdout" && !asJson) io.stdout.write(toPrintable(Text.parse(data).text));
    if (event === "stderr" && !asJson) io.stderr.write(toPrintable(Text.parse(data).text));
    if (event === "output") {
      const bundle = Output.parse(data).data;
      const chart = toChart(bundle);
      if (chart !== null) await save(`chart-${(charts += 1)}${chart.extension}`, chart.bytes);
      else if (bundle["text/plain"] !== undefined && !asJson)
        io.stdout.write(`${toPrintable(bundle["text/plain"])}\n`);
    }
    if (event === "file") {
      const file = StoredFile.parse(data);
      const content = await client.send("GET", `/v1/files/${encodeURIComponent(file.id)}/content`);
      await save(file.filename, new Uint8Array(await content.arrayBuffer()));
    }
    if (event === "done") {
      const execution = Execution.parse(data);
      if (asJson) io.stdout.write(`${JSON.stringify({ ...(data as object), saved }, null, 2)}\n`);
      else showEnd(execution, path, io);
      if (execution.status === "timeout") return TIMED_OUT;
      return execution.status === "ok" ? execution.return_code : execution.return_code || 1;
    }
  }
  throw new Error("The execution's stream ended early.");

  async function save(filename: string, bytes: Uint8Array): Promise<void> {
    const name = await saveFile(io.folder, filename, bytes);
    saved.push(name);
    if (!asJson) io.stderr.write(dim(`Saved ${name}\n`, io.stderr, io.env));
  }
}

function showEnd(execution: z.infer<typeof Execution>, path: string, io: Io): void {
  const { status, stderr, error, notice } = execution;
  const words: Record<string, string> = {
    timeout: "The program was stopped at its time limit; --timeout-seconds gives it more.",
    out_of_memory: "The program ran out of memory; --memory-mb gives a sandbox more.",
    killed: "The program was stopped.",
  };
  if (error !== null && status !== "timeout" && !stderr.includes(error.traceback.trimEnd()))
    showError(error, path, io);
  // A notice is about the session, which ends with this command.
  const sentence = words[status] ?? notice;
  if (sentence !== null) io.stderr.write(`curta: ${toPrintable(sentence)}\n`);
}

/** As Python itself would show it: under the file's name, and an exit on purpose is no error. */
function showError(
  { name, message, traceback }: NonNullable<z.infer<typeof Execution>["error"]>,
  path: string,
  io: Io,
): void {
  const shown =
    name === "SystemExit"
      ? message.replace(/^(None|-?\d+)?$/, "")
      : traceback.trimEnd().replaceAll('"<cell 1>"', `"${path}"`);
  if (shown !== "") io.stderr.write(`${toPrintable(shown)}\n`);
}
