/** `npm run bench`: packages, the environment, then the benchmarks. Arguments go to them. */
import { ensurePackages, runProgram } from "./packages.mjs";

const node = await ensurePackages();
const setup = await runProgram(node, ["src/setup/main.ts"]);
process.exitCode =
  setup === 0 ? await runProgram(node, ["bench/main.ts", ...process.argv.slice(2)]) : setup;
