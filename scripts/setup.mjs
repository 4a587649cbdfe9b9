/** `npm run setup`: everything that `npm start` does before it listens. */
import { ensurePackages, runProgram } from "./packages.mjs";

const node = await ensurePackages();
process.exitCode = await runProgram(node, ["src/setup/main.ts"]);
