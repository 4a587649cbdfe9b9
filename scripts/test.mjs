/**
 * `npm test`: packages, the environment, the checks, all tests, and one closing line that counts.
 *
 * Arguments go to vitest, for instance `npm test -- --project unit`. A failing check counts as one failed
 * test, and so does a test file that does not load.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { runChecks } from "./checks.mjs";
import { ROOT, ensurePackages, runProgram } from "./packages.mjs";

const stdio = ["ignore", "inherit", "inherit"];
const node = await ensurePackages();
const setup = await runProgram(node, ["src/setup/main.ts"], { stdio });
if (setup !== 0) close({ passed: 0, skipped: 0, failed: ["set-up"] });

const failedChecks = await runChecks();
const folder = mkdtempSync(join(ROOT, "node_modules", ".curta-test-"));
const results = join(folder, "results.json");
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${results}`];
const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
const code = await runProgram(node, [vitest, "run", ...reporters, ...process.argv.slice(2)], {
  stdio,
});
const counts = readResults(results);
rmSync(folder, { recursive: true });

if (code !== 0 && counts.failed.length === 0) counts.failed.push("vitest itself (see above)");
close({ ...counts, failed: [...failedChecks, ...counts.failed] });

function readResults(file) {
  const counts = { passed: 0, skipped: 0, failed: [] };
  let report;
  try {
    report = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    // vitest ended before it wrote a report; its exit code makes this a failure.
    return counts;
  }
  for (const suite of report.testResults) {
    const failedBefore = counts.failed.length;
    for (const test of suite.assertionResults) {
      if (test.status === "passed") counts.passed += 1;
      else if (test.status === "failed")
        counts.failed.push(`${suite.name.replace(ROOT, "")}: ${test.fullName}`);
      else counts.skipped += 1;
    }
    if (suite.status === "failed" && counts.failed.length === failedBefore)
      counts.failed.push(suite.name.replace(ROOT, ""));
  }
  return counts;
}

function close({ passed, skipped, failed }) {
  if (failed.length > 0) console.log(`\nFailed:\n${failed.map((name) => `  ${name}`).join("\n")}`);
  console.log(
    `\n${passed} passed, ${failed.length} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`,
  );
  process.exit(failed.length === 0 ? 0 : 1);
}
