/** `npm run check`: the checks alone, in seconds. */
import { runChecks } from "./checks.mjs";
import { ensurePackages } from "./packages.mjs";

await ensurePackages();
process.exitCode = (await runChecks()).length === 0 ? 0 : 1;
