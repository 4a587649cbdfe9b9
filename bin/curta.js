#!/usr/bin/env node
/** `curta …`: the same program as `npm start`, with the user's own arguments and working folder. */
import { join } from "node:path";

import { ROOT, ensurePackages, runProgram } from "../scripts/packages.mjs";

const node = await ensurePackages();
const main = join(ROOT, "src", "main.ts");
process.exitCode = await runProgram(node, [main, ...process.argv.slice(2)], { cwd: process.cwd() });
