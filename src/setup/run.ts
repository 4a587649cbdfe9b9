/** Runs a program to its end and keeps the last part of what it wrote. */
import { spawn } from "node:child_process";

export interface RunOptions {
  signal: AbortSignal;
  env?: Record<string, string | undefined>;
  uid?: number;
  cwd?: string;
}

export interface RunResult {
  /** Exit code; 127 when the program could not be started, 128 when a signal ended it. */
  code: number;
  stdout: string;
  stderr: string;
}

/** A program that floods its output must not fill our memory; the end is what tells why it failed. */
const KEPT_CHARACTERS = 16 * 1024 * 1024;

/** Resolves however the program ends; rejects only when `signal` aborts, after killing it. */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const identity = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      signal: options.signal,
      killSignal: "SIGKILL",
      env: options.env ?? process.env,
      cwd: options.cwd,
      ...identity,
    });
    let stdout = "";
    let stderr = "";
    child.stdout
      .setEncoding("utf8")
      .on("data", (text: string) => (stdout = (stdout + text).slice(-KEPT_CHARACTERS)));
    child.stderr
      .setEncoding("utf8")
      .on("data", (text: string) => (stderr = (stderr + text).slice(-KEPT_CHARACTERS)));
    child.on("error", (error) => {
      if (options.signal.aborted) reject(options.signal.reason);
      else resolve({ code: 127, stdout, stderr: error.message });
    });
    child.on("close", (code) => {
      if (options.signal.aborted) reject(options.signal.reason);
      else resolve({ code: code ?? 128, stdout, stderr });
    });
  });
}

/** The last line that says something, for the sentence of an error. */
export function lastLine(result: RunResult): string {
  const lines = `${result.stdout}\n${result.stderr}`.split("\n").map((line) => line.trim());
  return lines.findLast((line) => line !== "") ?? `exit code ${result.code}`;
}
