/** `npm run bench`: packages, the environment without a model, then the benchmarks. Arguments go to them. */
import { ensurePackages, runProgram } from "./packages.mjs";

const node = await ensurePackages();
// The direct API needs no model, and with an upstream configured set-up fetches none. Nobody listens there.
const env = { CURTA_UPSTREAM_URL: "http://127.0.0.1:9" };
const setup = await runProgram(node, ["src/setup/main.ts"], { env });
process.exitCode =
  setup === 0 ? await runProgram(node, ["bench/main.ts", ...process.argv.slice(2)]) : setup;
