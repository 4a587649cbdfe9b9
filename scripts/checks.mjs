/** The checks that need no run of the program: format, lint, types, unused code. */
import { runProgram } from "./packages.mjs";

/** @type {[name: string, command: string, args: string[]][]} */
const CHECKS = [
  ["format (oxfmt)", "oxfmt", ["--check"]],
  ["lint (oxlint)", "oxlint", ["--type-aware"]],
  ["types (tsc)", "tsc", ["--noEmit"]],
  ["unused code (knip)", "knip", []],
];

/** Runs all of them; returns the names of those that failed. */
export async function runChecks() {
  const failed = [];
  for (const [name, command, args] of CHECKS) {
    const code = await runProgram(command, args, { stdio: ["ignore", "inherit", "inherit"] });
    console.log(`${code === 0 ? "ok" : "FAILED"}: ${name}`);
    if (code !== 0) failed.push(name);
  }
  return failed;
}
