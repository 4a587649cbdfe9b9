/** Web search beside code execution with the official Python SDK: both renderings, streamed and not, and from code. */
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, expect, test } from "vitest";

import { loadConfig } from "../../src/config.ts";
import type { ModelRequest } from "../../src/providers/provider.ts";
import { ScriptedProvider, calls, says, type ScriptStep } from "../../src/providers/scripted.ts";
import { readJsonLines, runProgram } from "../fixtures/program.ts";
import { asSearxng, startLoopback, type LoopbackServer } from "../fixtures/search-servers.ts";
import { startServer, type TestServer } from "../real/server.ts";
import { ensurePythonClients } from "./python-clients.ts";

const HIT = {
  url: "https://stocks.example.org/today",
  title: "Prices",
  text: "Apple 228.5, Nvidia 139.9, Microsoft 417.2",
};
const DRAW = `import json, re
import matplotlib.pyplot as plt
pairs = re.findall(r"(\\w+) ([\\d.]+)", found[0]["text" if "text" in found[0] else "content"])
plt.bar([name for name, _ in pairs], [float(price) for _, price in pairs])
plt.show()
print(pairs)`;
const FROM_FILE = `import json\nfound = json.load(open("search_results_1.json"))["results"]\n${DRAW}`;
const FROM_CODE = `import json\nfound = json.loads(await web_search({"query": "stock prices"}))\n${DRAW}`;

let engine: LoopbackServer;
let server: TestServer;

beforeAll(async () => {
  engine = await startLoopback(asSearxng([HIT]));
  server = await startServer({
    provider: new ScriptedProvider(play),
    env: { CURTA_SEARCH: "searxng", CURTA_SEARCH_URL: engine.url },
  });
});

afterAll(async () => {
  await server?.close();
  await engine?.[Symbol.asyncDispose]();
});

function play({ messages, tools }: ModelRequest): ScriptStep[] {
  if (JSON.stringify(messages).includes("Which is the highest?"))
    return [says("Microsoft, at 417.2 [1].")];
  const done = messages.filter(({ role }) => role === "assistant").length;
  const searches = tools.some(({ name }) => name === "web_search")
    ? [calls("web_search", { query: "stock prices" }, { chunk: 4 })]
    : [];
  const code = searches.length > 0 ? FROM_FILE : FROM_CODE;
  const steps = [
    ...searches,
    calls("code_execution", { code }),
    says("Here it is. Nvidia is at 139.9 [1].", { chunk: 3 }),
  ];
  return [steps[done] ?? says("DONE")];
}

interface Told {
  part: string;
  message: {
    content: { type: string; name?: string; caller?: { type: string } | null }[];
    stop_reason: string;
    container: { id: string } | null;
    usage: { server_tool_use: object };
  };
  found: { kind: string; results: string[] }[];
  cited: string[];
  kinds?: string[];
}

const RESULTS = [
  "server_tool_use",
  "web_search_tool_result",
  "server_tool_use",
  "code_execution_tool_result",
  "text",
  "text",
];
const CODE_RESULTS = ["server_tool_use", ...RESULTS.slice(0, 2), ...RESULTS.slice(3)];

test("the combined request in both renderings and from code, streamed and not, and sent back", async () => {
  const { python, packages } = await ensurePythonClients(loadConfig().cache);
  const program = fileURLToPath(new URL("python/web_search.py", import.meta.url));
  const { code, stdout, stderr } = await runProgram(python, [program], {
    env: { ANTHROPIC_BASE_URL: server.url, ANTHROPIC_API_KEY: "any", PYTHONPATH: packages },
  });
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const told = readJsonLines(stdout) as unknown as Told[];
  expect(told.map(({ part }) => part)).toEqual([
    "lesson",
    "lesson streamed",
    "lesson again",
    "native",
    "native streamed",
    "native again",
    "from code",
    "from code streamed",
    "from code again",
    "beta",
    "async",
    "async",
  ]);
  for (const { part, message, found, cited, kinds } of told) {
    expect(message.stop_reason, part).toBe("end_turn");
    expect(cited, part).toEqual([HIT.url]);
    if (part.endsWith("again")) continue;
    expect(message.usage.server_tool_use, part).toMatchObject({
      web_search_requests: 1,
      web_fetch_requests: 0,
    });
    expect(JSON.stringify(message.content), part).toContain("('Nvidia', '139.9')");
    expect(message.container?.id, part).toMatch(/^container_/);
    expect(found, part).toMatchObject([
      { results: [expect.stringMatching(/WebSearchResultBlock$/)] },
    ]);
    if (kinds !== undefined) expect(kinds, part).toContain("citation");
  }
  const types = (part: string) =>
    told.find((one) => one.part === part)?.message.content.map(({ type }) => type);
  for (const part of ["native", "native streamed"]) expect(types(part)).toEqual(RESULTS);
  for (const part of ["from code", "from code streamed", "beta"])
    expect(types(part)).toEqual(CODE_RESULTS);
  // The tutorial's blocks: one for the text, one for the chart.
  for (const part of ["lesson", "lesson streamed"]) {
    const blocks = told.find((one) => one.part === part)?.message.content ?? [];
    expect(types(part)?.slice(0, 3)).toEqual(RESULTS.slice(0, 3));
    expect(JSON.stringify(blocks)).toContain('"media_type":"image/png"');
  }
  const nested = told
    .find(({ part }) => part === "from code streamed")
    ?.message.content.filter(({ caller }) => caller?.type === "code_execution_20260120");
  expect(nested?.map(({ type }) => type)).toEqual(["server_tool_use", "web_search_tool_result"]);
});
