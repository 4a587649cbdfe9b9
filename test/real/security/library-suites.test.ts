/**
 * Checklist 56: a wall that breaks a library is a fault as bad as a hole. Tests of numpy, pandas and scipy, as
 * these projects wrote them, run in a container and pass as they do outside, save those that are named here.
 *
 * TEST_SUITES=all runs every test of the three, which takes an hour or more.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";

import { loadConfig } from "../../../src/config.ts";
import { ScriptedProvider } from "../../../src/providers/scripted.ts";
import { ensurePythonClients } from "../../conformance/python-clients.ts";
import type { Execution } from "../../../src/http/execution.ts";
import { createContainer, send, type TestContainer } from "../direct-client.ts";
import { startServer, type TestServer } from "../server.ts";

/** What fails, and why that is as it should be. */
const EXPLAINED: readonly (readonly [name: RegExp, why: string])[] = [
  [
    /PermissionError: .*(python3|meson|numpy-config|\/bin\/sh|Programs cannot be started)/,
    "starts a program, which Python here may not",
  ],
  [/ArrayMemoryError|: MemoryError|test_large_m4/, "wants more memory than the container has"],
  [
    /^tests\/numpy\/(f2py|distutils)\//,
    "builds extension modules, for which the sandbox has neither compilers nor sources nor headers",
  ],
  [/test_public_api|random\/tests\/test_extending/, "looks for headers and for set-up tools"],
  [
    /TestFlat::test_refcount/,
    "passes by itself: garbage that is collected meanwhile changes how often None is referred to",
  ],
  [/Could not find file/, "fails outside too: the wheel does not ship the file"],
  [/fixture '.*' not found/, "fails outside too: the wheel does not ship the servers it asks"],
];

const FAST: Record<string, { modules: string[]; atLeast: number }> = {
  numpy: {
    modules: [
      "numpy._core.tests.test_numeric",
      "numpy._core.tests.test_indexing",
      "numpy._core.tests.test_memmap",
      "numpy.lib.tests.test_io",
      "numpy.linalg.tests.test_linalg",
      "numpy.fft.tests.test_pocketfft",
      "numpy.random.tests.test_random",
    ],
    atLeast: 2500,
  },
  pandas: {
    modules: [
      "pandas.tests.groupby.test_groupby",
      "pandas.tests.reshape.merge.test_merge",
      "pandas.tests.io.test_pickle",
      "pandas.tests.io.test_parquet",
      "pandas.tests.io.test_compression",
      "pandas.tests.io.parser.test_multi_thread",
    ],
    atLeast: 4000,
  },
  scipy: {
    modules: [
      "scipy.linalg.tests.test_basic",
      "scipy.spatial.tests.test_kdtree",
      "scipy.optimize.tests.test_linprog",
      "scipy.fft.tests.test_multithreading",
      "scipy.io.matlab.tests.test_mio",
    ],
    atLeast: 3000,
  },
};

const runsAll = process.env.TEST_SUITES === "all";
const seconds = runsAll ? 3600 : 150;

const Report = z.object({
  passed: z.number().default(0),
  failed: z.number().default(0),
  names: z.array(z.string()),
});

let server: TestServer;
let archive: Buffer;
let packages: string;
beforeAll(async () => {
  const { cache } = loadConfig({ env: process.env });
  const suites = await ensurePythonClients(cache, "suites");
  packages = suites.packages;
  const folder = mkdtempSync(join(tmpdir(), "curta-suites-"));
  const script = fileURLToPath(new URL("../../fixtures/pack-suites.py", import.meta.url));
  const packed = spawnSync(suites.python, [script, packages, join(folder, "suite.zip")]);
  if (packed.status !== 0) throw new Error(String(packed.stderr));
  archive = readFileSync(join(folder, "suite.zip"));
  rmSync(folder, { recursive: true });
  server = await startServer({
    provider: new ScriptedProvider([]),
    env: { CURTA_TIMEOUT_SECONDS: String(seconds) },
  });
});
afterAll(() => server.close());

const RUNNER = readFileSync(new URL("../../fixtures/run-suite.py", import.meta.url), "utf8");

test.each(Object.entries(FAST))(
  "56 %s passes its own tests inside",
  async (library, { modules, atLeast }) => {
    const chosen = runsAll ? allModules(library) : modules;
    const report = { passed: 0, failed: 0, names: [] as string[] };
    for (let from = 0; from < chosen.length; from += MODULES_AT_ONCE) {
      const part = await runModules(chosen.slice(from, from + MODULES_AT_ONCE));
      report.passed += part.passed;
      report.failed += part.failed;
      report.names.push(...part.names);
    }
    console.log(`${library}: ${report.passed} passed, ${report.failed} failed`);
    const unexplained = report.names.filter(
      (name) => !EXPLAINED.some(([pattern]) => pattern.test(name)),
    );
    expect(unexplained).toEqual([]);
    expect(report.passed).toBeGreaterThan(atLeast);
  },
  (seconds + 60) * 1000,
);

/** So many leave room in one container's memory for what the tests leave behind. */
const MODULES_AT_ONCE = 100;

async function runModules(modules: string[]): Promise<z.output<typeof Report>> {
  const container = await createContainer(server);
  const put = await send(server, "PUT", `/v1/containers/${container.id}/files/suite.zip`, archive);
  expect(put.status).toBe(200);
  const code = `MODULES = ${JSON.stringify(modules)}\n${RUNNER}`;
  const report = Report.parse(JSON.parse(await printPatiently(container, code)));
  await container.delete();
  return report;
}

/** What a cell prints that may take an hour: `fetch` waits five minutes for an answer and no longer. */
async function printPatiently({ id }: TestContainer, code: string): Promise<string> {
  const asking = request(`${server.url}/v1/containers/${id}/execute`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": "test" },
  });
  asking.end(JSON.stringify({ code, timeout: seconds }));
  const [answer] = (await once(asking, "response")) as [IncomingMessage];
  const { status, stdout, error, stderr } = JSON.parse(await text(answer)) as Execution;
  if (status !== "ok") throw new Error([status, error?.traceback, stderr.slice(-2000)].join("\n"));
  return stdout;
}

/** Every module of tests that the library's wheel has. */
function allModules(library: string): string[] {
  return readdirSync(join(packages, library), { recursive: true, encoding: "utf8" })
    .filter((name) => /(^|\/)tests\/(.*\/)?test_[^/]*\.py$/.test(name))
    .map((name) => `${library}.${name.slice(0, -3).replaceAll("/", ".")}`);
}
