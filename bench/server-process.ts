/** Servers as processes of their own, so that they do not share an event loop with the clock. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface ServerProcess {
  url: string;
  processId: number;
  [Symbol.asyncDispose](): Promise<void>;
}

const START_MS_MAX = 120_000;
const STOP_MS_MAX = 15_000;

/** Starts a program of this repository and waits until it prints the address that it listens on. */
export async function startServerProcess(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<ServerProcess> {
  const file = fileURLToPath(new URL(`../${program}`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env,
  });
  const end = once(child, "exit");
  const stop = async () => {
    child.stdin.end();
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    if (child.exitCode === null && child.signalCode === null) await end;
    clearTimeout(timer);
  };
  try {
    const url = await Promise.race([
      readAddress(child.stdout),
      end.then(() => {
        throw new Error(`${program} ended before it listened.`);
      }),
    ]);
    child.stdout.resume();
    return { url, processId: child.pid!, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function readAddress(stdout: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(
      () => reject(new Error("The server did not start in time.")),
      START_MS_MAX,
    );
    stdout.on("data", (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-10_000);
      const address = /listens on (http:\S+)/.exec(text)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    });
  });
}
