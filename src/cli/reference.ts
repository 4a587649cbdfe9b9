/** The pages of docs/reference that are generated from the code. A test fails when they are stale. */
import type { Command } from "commander";

import { ERRORS } from "../errors.ts";
import { FAMILIES } from "../wire/code-execution/families.ts";
import { VERSIONS } from "../wire/tool-declarations.ts";
import { createProgram } from "./program.ts";
import { listSettings } from "./settings.ts";

const NOTE =
  "<!-- Generated from the code: `UPDATE=1 vitest run test/docs.test.ts` writes it anew. -->\n";

/** Below 500, the statuses after which the official SDKs send a request again. */
const REPEATED = new Set([409, 429]);

export function renderConfigReference(): string {
  const rows = listSettings().map(({ name, variable, flag, fallback, why }) => [
    `\`${variable}\``,
    `\`${flag}\``,
    `\`${name}\``,
    fallback === "" ? "empty" : fallback,
    why,
  ]);
  return `${NOTE}
# Settings

Every setting has one name in three spellings: a variable, a flag of every command, and a key of
\`config.json\` in the data folder. Flags win over variables, variables over the file. \`curta config\`
prints the values in force.

${renderTable(["Variable", "Flag", "Key", "Default", "Why"], rows)}`;
}

export function renderErrorReference(): string {
  const rows = Object.entries(ERRORS).map(([code, { status, type, hint, ...row }]) => [
    `\`${code}\``,
    String(status),
    `\`${type}\``,
    (status >= 500 || REPEATED.has(status)) && !("retry" in row) ? "yes" : "no",
    hint,
  ]);
  return `${NOTE}
# Errors

An error answers with its status and the Messages API's envelope,
\`{"type":"error","error":{"type":…,"message":…},"request_id":…}\`; the same id is in the header
\`request-id\` and in the server's log. In a stream it is an event named \`error\`.

*Repeated* tells whether the official SDKs send such a request again by themselves. Where it could not help, the header
\`x-should-retry: false\` keeps them from it, since a repeated request runs its code again.

${renderTable(["Code", "Status", "`error.type`", "Repeated", "What to do"], rows)}`;
}

export function renderToolReference(): string {
  const versions = VERSIONS.map(({ type, tools, caller }) => [
    `\`${type}\``,
    listCode(tools),
    caller === null ? "no" : `yes, as \`${caller}\``,
  ]);
  const families = Object.entries(FAMILIES);
  const blocks = families.map(([name, { input, result, contents, error }]) => [
    `\`${name}\``,
    `\`${input}\``,
    `\`${result}\``,
    listCode(contents),
    `\`${error}\``,
  ]);
  const errors = families.flatMap(([name, family]) =>
    Object.entries(family.errors).map(([code, when]) => [`\`${name}\``, `\`${code}\``, when]),
  );
  return `${NOTE}
# Versions of code execution

What a request declares in \`tools\`, and the names that the model's uses have in the answer. No beta header is needed;
only \`code_execution_20250522\` has a second shape, which [Use it with the official SDKs](../use-with-sdk.md) shows.

${renderTable(["Declared type", "Uses in the answer", "Code calls your tools"], versions)}
## Blocks

A use is a \`server_tool_use\` with this \`name\` and \`input\`. Its result is a block with \`tool_use_id\` and a \`content\` of
one of the types. A program or command that fails is no error here: it is a result with a \`return_code\`.

${renderTable(["Name", "Input", "Result block", "Its `content`", "or, as an error"], blocks)}
## Error codes

In \`error_code\`, inside a 200. The model reads why in words, and goes on.

${renderTable(["Name", "Code", "When"], errors)}`;
}

function listCode(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(", ");
}

export function renderCliReference(): string {
  const nowhere = { write: () => {} };
  const io = {
    stdout: nowhere,
    stderr: nowhere,
    env: {},
    folder: "/",
    signal: new AbortController().signal,
  };
  const { commands } = createProgram(io, () => {});
  return `${NOTE}
# Commands

Every command also takes every [setting](config.md) as a flag, for instance \`--port 8080\`. The exit code
is 0 when all went well; an error is one sentence on stderr.

${commands.map(renderCommand).join("\n")}`;
}

function renderCommand(command: Command): string {
  const words = command.registeredArguments.map((argument) => ` <${argument.name()}>`).join("");
  const rows = [
    ...command.registeredArguments.map((argument) => [
      `\`<${argument.name()}>\``,
      argument.description,
    ]),
    ...command.options
      // Settings have a page of their own.
      .filter((option) => !option.hidden && option.helpGroupHeading === undefined)
      .map((option) => [`\`${option.flags}\``, option.description]),
  ];
  const table = rows.length === 0 ? "" : `\n${renderTable(["", ""], rows)}`;
  return `## \`curta ${command.name()}${words}\`\n\n${capitalize(command.description())}.\n${table}`;
}

/** Columns padded as the formatter of this repository pads them. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = [head, ...rows].map((cells) => cells.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, n) => Math.max(3, ...table.map((cells) => cells[n]!.length)));
  const renderLine = (cells: readonly string[]): string =>
    `| ${cells.map((cell, n) => cell.padEnd(widths[n]!)).join(" | ")} |\n`;
  const [top, ...others] = table.map(renderLine);
  return [top, renderLine(widths.map((width) => "-".repeat(width))), ...others].join("");
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
