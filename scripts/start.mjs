/** `npm start`: packages, then the server, which sets up the rest. Arguments go to `curta serve`. */
import { ensurePackages, runProgram } from "./packages.mjs";

const node = await ensurePackages();
process.exitCode = await runProgram(node, ["src/main.ts", "serve", ...process.argv.slice(2)]);
