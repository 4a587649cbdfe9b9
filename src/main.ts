/** The program: reads the command line, runs one command, and ends with its exit code. */
import { runCli } from "./cli/program.ts";

/** `npm start` passes a signal on that a terminal or a group has sent here already. */
const REPEAT_MS = 1000;

const interrupt = new AbortController();
let interruptedAt = 0;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // The first one lets what runs end in order; whoever sends a second does not want to wait.
    if (interrupt.signal.aborted && Date.now() - interruptedAt > REPEAT_MS) process.exit(130);
    interruptedAt ||= Date.now();
    interrupt.abort();
  });
}
// A reader that has had enough (`curta config | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) =>
  process.exit(error.code === "EPIPE" ? 0 : 1),
);

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  folder: process.cwd(),
  signal: interrupt.signal,
});
