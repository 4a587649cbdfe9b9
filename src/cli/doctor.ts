/** `curta doctor`: what protects this machine from the code that runs here, and what is missing for it. */
import { stat, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname } from "node:path";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { inspectHost } from "../sandbox/doctor.ts";
import type { AttackResult } from "../sandbox/attacks.ts";
import type { Environment } from "../sandbox/environment.ts";
import { locateEnvironment } from "../setup/environment.ts";
import { isRunning, toBaseUrl } from "./client.ts";
import { inspectWeb } from "./doctor-web.ts";
import type { Io } from "./io.ts";
import { readConfig } from "./settings.ts";
import { formatTable } from "./terminal.ts";

export interface Finding {
  name: string;
  kind: "protection" | "part" | "attack";
  state: "enforced" | "present" | "missing" | "given up" | "held" | "came through";
  /** A server does not start while it is missing. */
  required: boolean;
  detail: string;
  remedy: string;
}

/** Enough for the database and some results; set-up checks its own, larger need. */
const LEAST_DISK_BYTES = 512 * 1024 * 1024;

export async function doctor(options: Record<string, unknown>, io: Io): Promise<number> {
  const config = readConfig(options, io);
  const findings = await inspect(config, options.attack === true, io.signal);
  if (options.json) io.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else io.stdout.write(renderFindings(findings));
  return findings.some((finding) => finding.required && isMissing(finding)) ? 1 : 0;
}

async function inspect(config: Config, attack: boolean, signal: AbortSignal): Promise<Finding[]> {
  const environment = look(config);
  const weakened = new Set(config.weaken.split(",").map((name) => name.trim()));
  const { protections, attacks } =
    environment instanceof GatewayError
      ? { protections: [], attacks: [] }
      : await inspectHost(config, environment, { slowAttacks: attack });
  return [
    ...protections.map(({ name, enforced, required, detail, remedy }): Finding => {
      const state = enforced ? "enforced" : weakened.has(name) ? "given up" : "missing";
      return { name, kind: "protection", state, required, detail, remedy };
    }),
    ...(attack ? attacks : attacks.filter(({ held }) => !held)).map(toFinding),
    ...inspectSetUp(environment, config),
    ...(await inspectWeb(config, signal)),
    await inspectDisk(config.data),
    await inspectPort(config, signal),
  ];
}

function toFinding({ number, name, behind, held, detail }: AttackResult): Finding {
  return {
    name: `${number} ${name}`,
    kind: "attack",
    state: held ? "held" : "came through",
    required: true,
    detail,
    remedy: `${behind} should hold it: please report it as SECURITY.md says, unless you gave that up`,
  };
}

/** Where set-up put things, or its sentence about what it has not made yet. */
function look(config: Config): Environment | GatewayError {
  try {
    return locateEnvironment(config);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

function inspectSetUp(environment: Environment | GatewayError, config: Config): Finding[] {
  if (environment instanceof GatewayError) {
    return [
      part(
        "set-up",
        false,
        true,
        environment.message,
        "Run `npm start` once: it makes what is missing.",
      ),
    ];
  }
  const { manifest, bubblewrap, modelFile } = environment;
  const model =
    config.upstreamUrl === "" ? modelFile : `${config.upstreamUrl} ${config.model}`.trim();
  return [
    part("python", true, true, `Python ${manifest.pythonVersion}`, ""),
    part("bubblewrap", true, true, bubblewrap, ""),
    part(
      "model",
      model !== null,
      false,
      model ?? "none",
      "Run `npm start`, set CURTA_UPSTREAM_URL, or start Ollama.",
    ),
  ];
}

function part(
  name: string,
  isThere: boolean,
  required: boolean,
  detail: string,
  remedy: string,
): Finding {
  return { name, kind: "part", state: isThere ? "present" : "missing", required, detail, remedy };
}

async function inspectDisk(folder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(await nearestFolder(folder));
  const free = bavail * bsize;
  const detail = `${(free / 1e9).toFixed(1)} GB free for ${folder}`;
  return part(
    "disk",
    free >= LEAST_DISK_BYTES,
    true,
    detail,
    "Free some space, or choose another place with CURTA_DATA.",
  );
}

/** The data folder may not be there yet; the folder above it has the same disk. */
async function nearestFolder(folder: string): Promise<string> {
  const isThere = await stat(folder).then(
    () => true,
    () => false,
  );
  return isThere || dirname(folder) === folder ? folder : nearestFolder(dirname(folder));
}

async function inspectPort(config: Config, signal: AbortSignal): Promise<Finding> {
  const url = toBaseUrl(config);
  if (await isRunning(url, signal))
    return part("port", true, true, `Curta is running on ${url}`, "");
  const problem = await tryPort(config);
  return part(
    "port",
    problem === null,
    true,
    problem ?? `${config.host}:${config.port} is free`,
    "Choose another port with CURTA_PORT.",
  );
}

function tryPort({ host, port }: Pick<Config, "host" | "port">): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) =>
      resolve(`${host}:${port} cannot be used: ${error.code}`),
    );
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}

export function renderFindings(findings: readonly Finding[]): string {
  const rows = findings.map(({ name, state, detail }) => [name, state, detail]);
  const missing = findings.filter(isMissing);
  const advice = missing
    .map(({ name, remedy, required }) => `${name}${required ? "" : " (optional)"}: ${remedy}\n`)
    .join("");
  return `${formatTable(rows)}\n${advice}${judge(findings)}`;
}

function isMissing({ state }: Finding): boolean {
  return state === "missing" || state === "came through";
}

/** What the list comes to, for whoever does not read it. */
function judge(findings: readonly Finding[]): string {
  const attacks = findings.filter(({ kind }) => kind === "attack");
  const through = attacks.filter(isMissing).length;
  const attempts = `${attacks.length} attempts to break out`;
  const tried =
    attacks.length === 0
      ? ""
      : through === 0
        ? `${attempts}: all held.\n`
        : `${through} of ${attempts} came through.\n`;
  const missing = findings.filter(({ state }) => state === "missing");
  const needed = missing.filter(({ required }) => required).map(({ name }) => name);
  if (needed.length > 0) return `${tried}Required and missing: ${needed.join(", ")}.\n`;
  return `${tried}Nothing ${missing.length === 0 ? "" : "that is required "}is missing.\n`;
}
