/** The command line: commands, their flags and their help, and what becomes of their errors. */
import { Command, CommanderError } from "commander";

import { GatewayError } from "../errors.ts";
import { ask } from "./ask.ts";
import { showConfig } from "./config.ts";
import { conformance } from "./conformance.ts";
import { doctor } from "./doctor.ts";
import { indexDocuments } from "./index-documents.ts";
import type { Io } from "./io.ts";
import { run } from "./run.ts";
import { serve } from "./serve.ts";
import { readVersion } from "./service.ts";
import { addSettingFlags } from "./settings.ts";
import { usage } from "./usage.ts";

type Options = Record<string, unknown>;

const INTERRUPTED = 130;

/** Runs one command and returns the exit code. An error is one sentence on stderr. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  let exitCode = 0;
  const program = createProgram(io, (code) => (exitCode = code));
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed its own sentence, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode;
    if (io.signal.aborted) return INTERRUPTED;
    io.stderr.write(`curta: ${toSentence(error)}\n`);
    if (io.env.CURTA_LOG === "debug" && error instanceof Error) io.stderr.write(`${error.stack}\n`);
    return 1;
  }
}

export function createProgram(io: Io, setExitCode: (code: number) => void): Command {
  const program = new Command("curta")
    .description("The code execution tool for any language model, on your own machine")
    .version(readVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text.replace(/^error: /, "curta: ")),
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
    })
    .showHelpAfterError("(curta help lists the commands, curta help COMMAND its flags)");

  addCommand(
    "serve",
    "set up what is missing, then serve the Messages API and the direct API",
  ).action(async (options: Options) => setExitCode(await serve(options, io)));
  addCommand("ask", "ask the model one question; charts and files are saved in this folder")
    .argument("<question>", "what to ask")
    .option("--attach <file>", "a file that the model's code can read; may be repeated", collect)
    .option("--json", "print the whole message as JSON")
    .action(async (question: string, options: Options) =>
      setExitCode(await ask(question, options, io)),
    );
  addCommand("run", "run a Python file in a sandbox; charts and files are saved in this folder")
    .argument("<file>", "the program")
    .option("--attach <file>", "a file that the program can read; may be repeated", collect)
    .option("--timeout-seconds <value>", "less time, or as much as the server allows")
    .option("--json", "print the whole execution as JSON")
    .action(async (file: string, options: Options) => setExitCode(await run(file, options, io)));
  addCommand("doctor", "tell which protections this machine can enforce, and how to get the others")
    .option("--attack", "try to break out of real containers, and tell what held")
    .option("--json", "print the findings as JSON")
    .action(async (options: Options) => setExitCode(await doctor(options, io)));
  addCommand(
    "conformance",
    "measure how a server of the Messages API, this one or any other, keeps to its wire format",
  )
    .option("--url <url>", "base URL of the server to measure")
    .option("--key <key>", "its key")
    .option("--model <name>", "the model to ask; without it the first that the server lists")
    .option("--scripted", "measure Curta itself, with a scripted model, on a port of its own")
    .option("--only <name>", "only this case, point or group; may be repeated", collect)
    .option("--json", "print the results as JSON")
    .action(async (options: Options) => setExitCode(await conformance(options, io)));
  addCommand(
    "index",
    "make the documents of a folder findable by web search, or bring them up to date",
  )
    .argument("[folder]", "the folder; only what changed since the last time is read")
    .option("--list", "show which folders are indexed")
    .option("--remove", "take the folder out of the index")
    .action(async (folder: string | undefined, options: Options) =>
      setExitCode(await indexDocuments(folder, options, io)),
    );
  addCommand("usage", "show what was used: tokens, executions, and what they count as")
    .option("--by <groups>", "rows by day, model, container, key; with commas (default: day,model)")
    .option("--from <day>", "the first day, or a time, in UTC")
    .option("--to <day>", "the day or time before which the report ends")
    .option("--json", "print the whole report as JSON")
    .option("--csv", "print the rows as CSV")
    .action(async (options: Options) => setExitCode(await usage(options, io)));
  addCommand("config", "show every setting with its value, its default and the reason for it")
    .option("--json", "print the settings as JSON")
    .action((options: Options) => setExitCode(showConfig(options, io)));
  for (const command of program.commands)
    addSettingFlags(command, { showAll: command.name() === "serve" });
  return program;

  function addCommand(name: string, description: string): Command {
    return program.command(name).description(description);
  }
}

function collect(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

function toSentence(error: unknown): string {
  if (error instanceof GatewayError) return error.message;
  const message = error instanceof Error ? error.message : String(error);
  return `something went wrong inside Curta: ${message.split("\n")[0]} (CURTA_LOG=debug shows where)`;
}
