/**
 * Every setting: name, default, unit and the reason for the default, in one place.
 *
 * A setting has one name in three spellings: `timeoutSeconds` in the config file, `CURTA_TIMEOUT_SECONDS`
 * in the environment and `--timeout-seconds` as a flag; flags win over variables, variables over the
 * file `config.json` in the data folder. `curta config` prints the result, `docs/reference/config.md` is
 * generated from this table.
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

import { GatewayError } from "./errors.ts";

const positive = z.coerce.number().int().positive();
const price = z.coerce.number().min(0);
const atLeastZero = z.coerce.number().int().min(0);

const SETTINGS = {
  host: {
    schema: z.string(),
    fallback: "127.0.0.1",
    why: "Only this machine may connect until keys are set.",
  },
  port: {
    schema: z.coerce.number().int().min(0).max(65535),
    fallback: 4242,
    why: "0 takes any free port.",
  },
  data: {
    schema: z.string(),
    fallback: defaultFolder("data"),
    why: "Database and files. One server at a time.",
  },
  cache: {
    schema: z.string(),
    fallback: defaultFolder("cache"),
    why: "What set-up makes: the sandbox's Python and the models, shared by every checkout.",
  },
  apiKeys: {
    schema: z.string(),
    fallback: "",
    why: "Comma-separated. Without any, only loopback may connect and every key is accepted.",
    secret: true,
  },
  upstreamUrl: {
    schema: z.string(),
    fallback: "",
    why: "Base URL of a model's server. Empty: a running Ollama, else the embedded model.",
  },
  upstreamApi: {
    schema: z.enum(["anthropic", "openai"]),
    fallback: "openai",
    why: "The dialect that upstreamUrl speaks.",
  },
  upstreamKey: { schema: z.string(), fallback: "", why: "Key for upstreamUrl.", secret: true },
  model: {
    schema: z.string(),
    fallback: "",
    why: "Model to ask upstream. Empty: the one that the client names, or the embedded one.",
  },
  upstreamTimeoutSeconds: {
    schema: positive,
    fallback: 300,
    why: "Longest silence of a model's server; thinking models pause for minutes.",
  },
  upstreamRetries: {
    schema: atLeastZero,
    fallback: 2,
    why: "As the official SDKs: enough for a passing overload.",
  },
  embeddedModel: {
    schema: z.enum(["1.5b", "0.5b"]),
    fallback: "1.5b",
    why: "The smaller one for machines with under 4 GiB free.",
  },
  embeddedContextTokens: {
    schema: positive,
    fallback: 8192,
    why: "Fits the lesson's conversations; memory grows with it.",
  },
  embeddedThreads: {
    schema: atLeastZero,
    fallback: 0,
    why: "0: one per physical core, at most 8; more threads than cores is ten times slower.",
  },
  embeddedQueue: {
    schema: positive,
    fallback: 8,
    why: "One generation runs at a time; more waiting than this would wait for minutes.",
  },
  timeoutSeconds: {
    schema: positive,
    fallback: 30,
    why: "Per execution, as the hosted tool's first version.",
  },
  memoryMb: {
    schema: positive,
    fallback: 1024,
    why: "Memory of one container; the largest matplotlib example needs 709.",
  },
  processes: {
    schema: positive,
    fallback: 64,
    why: "Processes and threads of one container; joblib and BLAS need a dozen.",
  },
  blasThreads: {
    schema: positive.max(16),
    fallback: 1,
    why: "Threads of one matrix product. More are faster on idle processors; where others compute, too, they cost half as much again.",
  },
  filesMb: { schema: positive, fallback: 256, why: "Files of one container, in memory." },
  fileCount: { schema: positive, fallback: 20000, why: "Files and folders of one container." },
  outputTotalMb: {
    schema: positive,
    fallback: 512,
    why: "Outputs of all executions that run, in the server's memory; each may hold a quarter of what is free.",
  },
  outputMb: {
    schema: positive,
    fallback: 16,
    why: "stdout and stderr of one execution, each; the rest is left out and said so.",
  },
  resultCharacters: {
    schema: positive,
    fallback: 24000,
    why: "What the model reads of one execution; head and tail are kept. About 6,000 tokens.",
  },
  answerMb: {
    schema: positive,
    fallback: 8,
    why: "Text and images of one execution in the answer, so that a conversation sent back fits requestMb.",
  },
  displayCount: { schema: positive, fallback: 100, why: "Displays of one execution." },
  displayMb: { schema: positive, fallback: 16, why: "One display, an image for instance." },
  outputFileCount: {
    schema: positive,
    fallback: 64,
    why: "Files taken from $OUTPUT_DIR after one execution.",
  },
  outputFileMb: { schema: positive, fallback: 64, why: "One file taken from $OUTPUT_DIR." },
  attachmentMb: {
    schema: positive,
    fallback: 32,
    why: "One attachment; the whole request is bounded by requestMb anyway.",
  },
  requestMb: { schema: positive, fallback: 32, why: "As the Messages API." },
  bodiesMb: {
    schema: positive,
    fallback: 1024,
    why: "Bodies of all requests under way, held in the server's memory; one alone is always let in.",
  },
  uploadMb: {
    schema: positive,
    fallback: 200,
    why: "One file of PUT …/files; must also fit into filesMb.",
  },
  storedFilesMb: {
    schema: positive,
    fallback: 10240,
    why: "Files of the Files API together; each counts as 4 KiB at least. Nothing is deleted unasked.",
  },
  codeKb: {
    schema: positive,
    fallback: 1024,
    why: "Source code of one execution; larger programs belong into a file.",
  },
  containers: {
    schema: positive,
    fallback: 256,
    why: "Live containers. An idle one costs a few MiB; every request that names none has one of its own.",
  },
  containerIdleMinutes: {
    schema: positive,
    fallback: 60,
    why: "As the hosted tool reports it: an hour from the last use.",
  },
  containerDays: {
    schema: positive,
    fallback: 30,
    why: "As the hosted tool: from its creation, however much it is used.",
  },
  keptFilesMb: {
    schema: atLeastZero,
    fallback: 10240,
    why: "Files of all containers on disk, from which a container comes back after a restart; each counts as 4 KiB at least. 0: none.",
  },
  replay: {
    schema: z.enum(["no", "yes"]),
    fallback: "no",
    why: "yes: an interpreter that had to be started anew runs the container's cells again first. A call can ask for it, too.",
  },
  replayCells: {
    schema: atLeastZero,
    fallback: 500,
    why: "Cells of one container whose code is kept for that; the first ones go first. 0: no code is kept.",
  },
  replayKb: {
    schema: positive,
    fallback: 1024,
    why: "Code of one container that is kept.",
  },
  replayTotalMb: {
    schema: positive,
    fallback: 256,
    why: "Code of all containers that is kept, in the database.",
  },
  replaySeconds: {
    schema: positive,
    fallback: 60,
    why: "Running a container's cells again; whoever asked for it waits so long at most.",
  },
  checkpoints: {
    schema: positive.max(16),
    fallback: 8,
    why: "Named states of one container; each is a sleeping process and a copy of the workspace.",
  },
  branches: {
    schema: positive.max(16),
    fallback: 8,
    why: "Cells of one branch, each tried from the same state.",
  },
  parkSeconds: {
    schema: positive,
    fallback: 300,
    why: "Idle for so long, a container gives up its checkpoint, and its memory may be swapped out; it wakes in milliseconds.",
  },
  containerQueue: { schema: positive, fallback: 16, why: "Calls waiting for one container." },
  pool: {
    schema: atLeastZero,
    fallback: 2,
    why: "Containers kept ready, so that a new one costs nothing to wait for.",
  },
  executionsPerTurn: {
    schema: positive,
    fallback: 10,
    why: "As the hosted loop: runs of code for one answer, then the turn ends.",
  },
  webRequestsPerTurn: {
    schema: positive,
    fallback: 50,
    why: "Searches and fetches for one answer, by the model and by its code.",
  },
  clientToolCalls: {
    schema: positive,
    fallback: 500,
    why: "Calls of tools that the code of one execution may make, the client's and web tools together.",
  },
  clientToolSeconds: {
    schema: positive,
    fallback: 3600,
    why: "Code waits this long for the client's tool, and never longer than its container lives.",
  },
  billing: {
    schema: z.enum(["lesson", "always", "free"]),
    fallback: "lesson",
    why: "When executions count as tokens. lesson: not beside web search; always; free: never.",
  },
  imagePixelsPerToken: {
    schema: positive,
    fallback: 750,
    why: "Pixels of a generated image that count as one output token, as images are counted in.",
  },
  priceInput: {
    schema: price,
    fallback: 0,
    why: "Price of a million counted input tokens, for the cost in reports; any currency. 0: none.",
  },
  priceOutput: {
    schema: price,
    fallback: 0,
    why: "The same for output tokens.",
  },
  priceSearch: {
    schema: price,
    fallback: 0,
    why: "Price of a thousand web searches, for the cost in reports.",
  },
  requests: {
    schema: positive,
    fallback: 64,
    why: "Requests to the Messages API under way at once.",
  },
  batches: {
    schema: positive,
    fallback: 100,
    why: "Message batches in progress at once; their requests wait in the database.",
  },
  batchRequests: {
    schema: positive,
    fallback: 10_000,
    why: "Requests in one batch; the size of the body bounds them, too.",
  },
  batchWorkers: {
    schema: positive,
    fallback: 2,
    why: "Requests of batches that run at once, and only while no other request is under way.",
  },
  requestSeconds: {
    schema: positive,
    fallback: 600,
    why: "A whole request, as the SDKs' own time-out.",
  },
  pingSeconds: {
    schema: positive,
    fallback: 5,
    why: "A stream's longest silence; proxies and clients hang up on longer ones.",
  },
  streamStallSeconds: {
    schema: positive,
    fallback: 60,
    why: "A reader that takes nothing of its stream for this long is gone.",
  },
  shutdownSeconds: {
    schema: positive,
    fallback: 30,
    why: "Requests under way at SIGTERM have this long to end.",
  },
  search: {
    schema: z.enum(["", "local", "searxng", "brave", "tavily"]),
    fallback: "",
    why: "The engine of web search. Empty: the index that `curta index` makes, if there is one.",
  },
  searchUrl: {
    schema: z.string(),
    fallback: "",
    why: "Base URL of the SearXNG server; for brave and tavily only to use a proxy of theirs.",
  },
  searchKey: { schema: z.string(), fallback: "", why: "Key for the search engine.", secret: true },
  searchResults: {
    schema: z.coerce.number().int().min(1).max(20),
    fallback: 10,
    why: "Results of one search, as the hosted tool.",
  },
  searchSeconds: {
    schema: positive,
    fallback: 10,
    why: "A search engine that has not answered by then is told to the model as unavailable.",
  },
  searchCacheMinutes: {
    schema: atLeastZero,
    fallback: 10,
    why: "The same search within this time is answered from memory. 0: never.",
  },
  indexFiles: {
    schema: positive,
    fallback: 20_000,
    why: "Documents of one folder that `curta index` reads.",
  },
  indexFileMb: {
    schema: positive,
    fallback: 32,
    why: "A larger document is left out of the index, and named.",
  },
  fetchPrivate: {
    schema: z.enum(["no", "yes"]),
    fallback: "no",
    why: "yes: web_fetch may open addresses of the private network and of this machine. For intranets.",
  },
  fetchSeconds: {
    schema: positive,
    fallback: 20,
    why: "One fetch of a page, redirects included.",
  },
  fetchMb: { schema: positive, fallback: 10, why: "One fetched page, unpacked." },
  fetchCharacters: {
    schema: positive,
    fallback: 50000,
    why: "What the model reads of a fetched page. About 12,000 tokens.",
  },
  weaken: {
    schema: z.string(),
    fallback: "",
    why: "Comma-separated protections to do without, by the names `curta doctor` prints. Empty: refuse to start when one is missing.",
  },
  log: {
    schema: z.enum(["debug", "info", "warn", "error", "silent"]),
    fallback: "info",
    why: "What goes to the log.",
  },
} as const satisfies Record<
  string,
  { schema: z.ZodType; fallback: unknown; why: string; secret?: boolean }
>;

export type SettingName = keyof typeof SETTINGS;
export type Config = { readonly [K in SettingName]: z.infer<(typeof SETTINGS)[K]["schema"]> };

export interface Setting {
  name: SettingName;
  variable: string;
  flag: string;
  value: string;
  fallback: string;
  source: "default" | "file" | "variable" | "flag";
  why: string;
}

export interface ConfigSources {
  env?: Record<string, string | undefined>;
  /** Values by setting name, as the command line gave them. */
  flags?: Partial<Record<SettingName, unknown>>;
}

/** Reads flags, environment and file. Throws `invalid_request` naming the setting that is wrong. */
export function loadConfig(sources: ConfigSources = {}): Config {
  return resolve(sources).config;
}

/** The same with where each value came from; secrets are not shown. */
export function describeConfig(sources: ConfigSources = {}): Setting[] {
  return resolve(sources).settings;
}

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

function resolve({ env = process.env, flags = {} }: ConfigSources): {
  config: Config;
  settings: Setting[];
} {
  const file = readConfigFile(
    z.string().parse(flags.data ?? env.CURTA_DATA ?? SETTINGS.data.fallback),
  );
  const config: Record<string, unknown> = {};
  const settings: Setting[] = [];
  for (const name of SETTING_NAMES) {
    const row: { schema: z.ZodType; fallback: unknown; why: string; secret?: boolean } =
      SETTINGS[name];
    const variable = variableOf(name);
    const [source, raw] =
      flags[name] !== undefined
        ? (["flag", flags[name]] as const)
        : env[variable]
          ? (["variable", env[variable]] as const)
          : file[name] !== undefined
            ? (["file", file[name]] as const)
            : (["default", row.fallback] as const);
    const parsed = row.schema.safeParse(raw);
    if (!parsed.success) {
      throw new GatewayError(
        "invalid_request",
        `The setting ${name} (${variable}) cannot be ${JSON.stringify(raw)}: it has to be ${wanted(parsed.error)}.`,
      );
    }
    config[name] = parsed.data;
    const shown = row.secret && parsed.data !== "" ? "(set)" : String(parsed.data);
    settings.push({
      name,
      variable,
      flag: flagOf(name),
      value: shown,
      fallback: String(row.fallback),
      source,
      why: row.why,
    });
  }
  return { config: config as Config, settings };
}

/** What would do, in words: whoever mistypes a setting knows nothing of schemas. */
function wanted({ issues }: z.ZodError): string {
  const issue = issues[0];
  switch (issue?.code) {
    case "invalid_type":
      return issue.expected === "int" ? "a whole number" : `a ${issue.expected}`;
    case "too_small":
      return `${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`;
    case "too_big":
      return `at most ${issue.maximum}`;
    case "invalid_value":
      return `one of ${issue.values.map((value) => String(value) || "nothing").join(", ")}`;
    default:
      return `something else (${issue?.message})`;
  }
}

/** Variables that look like settings and are none: most likely misspelt. */
export function findUnknownVariables(env: Record<string, string | undefined>): string[] {
  const known = new Set(SETTING_NAMES.map(variableOf));
  return Object.keys(env).filter((name) => name.startsWith("CURTA_") && !known.has(name));
}

function readConfigFile(folder: string): Record<string, unknown> {
  const path = join(folder, "config.json");
  if (!existsSync(path)) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new GatewayError("invalid_request", `The config file ${path} is not valid JSON.`, {
      cause,
    });
  }
  const { data: settings } = z.record(z.string(), z.unknown()).safeParse(parsed);
  if (settings === undefined) {
    throw new GatewayError(
      "invalid_request",
      `The config file ${path} has to be a JSON object of settings.`,
    );
  }
  const unknown = Object.keys(settings).find((name) => !(name in SETTINGS));
  if (unknown !== undefined) {
    throw new GatewayError(
      "invalid_request",
      `The config file ${path} has an unknown setting "${unknown}"; \`curta config\` lists the known ones.`,
    );
  }
  return settings;
}

function variableOf(name: string): string {
  return `CURTA_${name.replaceAll(/([A-Z])/g, "_$1").toUpperCase()}`;
}

function flagOf(name: string): string {
  return `--${name.replaceAll(/([A-Z])/g, "-$1").toLowerCase()}`;
}

function defaultFolder(kind: "data" | "cache"): string {
  if (process.getuid?.() === 0) return kind === "data" ? "/var/lib/curta" : "/var/cache/curta";
  if (kind === "data")
    return join(process.env.XDG_DATA_HOME || join(homedir(), ".local", "share"), "curta");
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "curta");
}
