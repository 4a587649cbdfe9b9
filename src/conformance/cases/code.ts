/** Each version of the code execution tool: the blocks of a run, plain and streamed. */
import type { Case, Context, Version } from "../case.ts";
import type { Step } from "../instructions.ts";
import { Skip, Failure, check, expectEqual, shorten } from "../verdict.ts";
import {
  OLDEST,
  VERSIONS,
  declare,
  fileIdsOf,
  onlyResult,
  requireVersion,
  resultsOf,
  stdoutOf,
  take,
  takeStreamed,
  toRequest,
  usesOf,
  type ResultBlock,
  requireUses,
} from "../versions.ts";

const MULTIPLY = "print(6 * 7)";

export const codeCases: readonly Case[] = VERSIONS.flatMap((version) => [
  ...anyCases(version),
  ...(version === OLDEST ? [] : shellCases(version)),
]);

function anyCases(version: Version): Case[] {
  const { group } = version;
  const suffix = version.type.replace("code_execution_", "");
  return [
    {
      name: `${suffix}/declared`,
      group,
      title: "the version is taken",
      async run(context) {
        // Not through the memory of the run: the server's own sentence is wanted.
        await context.target.message(
          { tools: [declare(version)], messages: [{ role: "user", content: "Say DONE." }] },
          { betas: version.betas },
        );
      },
    },
    {
      name: `${suffix}/runs`,
      group,
      title: "a program runs: server_tool_use, then its result with the output",
      async run(context) {
        const step = version.python(MULTIPLY);
        const message = await take(context, version, [step]);
        const [use] = usesOf(message);
        check(use !== undefined, "There is no server_tool_use; the tool was dropped or not used.");
        expectEqual(use.name, version.tool, "The name of the call");
        expectEqual(Object.keys(use.input), Object.keys(step.input), "The fields of the input");
        const result = onlyResult(message);
        expectEqual(result.type, version.resultType, "The type of the result");
        expectEqual(stdoutOf(result).trim(), "42", "stdout");
        expectEqual(message.stop_reason, "end_turn", "stop_reason");
        const at = message.content.findIndex((block) => block.type === result.type);
        check(at > message.content.indexOf(use), "The result stands before its call.");
      },
    },
    {
      name: `7.6.2/input-deltas/${suffix}`,
      group,
      title: "the tool's input comes as deltas, the first visible one begins with a brace",
      async run(context) {
        const { message, events } = await takeStreamed(context, version, [
          version.python(MULTIPLY),
        ]);
        onlyResult(message);
        const start = events.find(
          (event) =>
            event.type === "content_block_start" && event.content_block.type === "server_tool_use",
        );
        check(start?.type === "content_block_start", "No server_tool_use begins.");
        const input = start.content_block.input;
        check(
          input === undefined || JSON.stringify(input) === "{}",
          `content_block_start holds the input already: ${shorten(JSON.stringify(input))}`,
        );
        const pieces = events.flatMap((event) =>
          event.type === "content_block_delta" &&
          event.index === start.index &&
          event.delta.type === "input_json_delta"
            ? event.delta.partial_json
            : [],
        );
        const first = pieces.find((piece) => piece !== "");
        check(first !== undefined, "There is no input_json_delta with text.");
        check(first.startsWith("{"), `The first piece is ${JSON.stringify(first)}.`);
      },
    },
    {
      name: `7.6.2/result-whole/${suffix}`,
      group,
      title: "a result is whole in content_block_start and gets no deltas",
      async run(context) {
        const { message, events } = await takeStreamed(context, version, [
          version.python(MULTIPLY),
        ]);
        const result = onlyResult(message);
        const started = events.find(
          (event) =>
            event.type === "content_block_start" && event.content_block.type === result.type,
        );
        check(started?.type === "content_block_start", "The result does not begin.");
        expectEqual(started.content_block, result, "content_block");
      },
    },
    {
      name: `7.6.3/message-delta/${suffix}`,
      group,
      title: "the container is in message_delta.delta when code ran, and in a whole answer",
      async run(context) {
        const steps = [version.python(MULTIPLY)];
        const { message, events } = await takeStreamed(context, version, steps);
        onlyResult(message);
        const last = events.findLast((event) => event.type === "message_delta");
        check(
          last?.delta.container !== undefined && last.delta.container !== null,
          "message_delta.delta has no container.",
        );
        const whole = await take(context, version, steps);
        check(Boolean(whole.container), "The whole answer has no container.");
      },
    },
    {
      name: `7.6.3/message-start/${suffix}`,
      group,
      title: "a container that exists already is in message_start, too, and the same one",
      async run(context) {
        const first = await take(context, version, [version.python(MULTIPLY)]);
        onlyResult(first);
        const { events } = await takeStreamed(context, version, [version.python(MULTIPLY)], {
          body: { container: first.container?.id },
        });
        const [start] = events;
        check(start?.type === "message_start", "There is no message_start.");
        expectEqual(start.message.container?.id, first.container?.id, "container.id");
      },
    },
    {
      name: `${suffix}/error-is-result`,
      group,
      title: "a program that fails is an ordinary result with a return_code and words in stderr",
      async run(context) {
        const code = 'raise ValueError("on purpose")';
        const { content } = onlyResult(await take(context, version, [version.python(code)]));
        if (Array.isArray(content) || !("return_code" in content))
          throw new Failure(`The result is ${shorten(JSON.stringify(content))}`);
        check(content.return_code !== 0, "return_code is 0.");
        check(content.stderr.includes("on purpose"), `stderr is ${shorten(content.stderr)}`);
      },
    },
    {
      name: `${suffix}/output-files`,
      group,
      title: "a file left in $OUTPUT_DIR comes back as an id, and the Files API has its bytes",
      async run(context) {
        const code = `import os\npath = os.path.join(os.environ["OUTPUT_DIR"], "squares.csv")\nwith open(path, "w") as out:\n    out.write("n,square\\n1,1\\n2,4\\n")`;
        const result = onlyResult(await take(context, version, [version.python(code)]));
        const ids = fileIdsOf(result);
        check(ids.length === 1, `There are ${ids.length} file ids.`);
        const answer = await context.target.send("GET", `/v1/files/${ids[0]}/content`, {
          betas: ["files-api-2025-04-14"],
        });
        expectEqual(answer.status, 200, "The status of the download");
        expectEqual(answer.text, "n,square\n1,1\n2,4\n", "The file");
      },
    },
    {
      name: `${suffix}/several-calls`,
      group,
      title: "several calls in one reply: each has its result, paired by id",
      async run(context) {
        const codes = ["print('first')", "print('second')", "print('third')"];
        const message = await take(
          context,
          version,
          codes.map((code) => version.python(code)),
          { atOnce: true },
        );
        pairUp(requireUses(message, codes.length), resultsOf(message), codes);
      },
    },
    {
      name: `${suffix}/container-reuse`,
      group,
      title: "files stay when the container's id comes back, under the same id",
      async run(context) {
        const write = `with open("/tmp/kept.txt", "w") as out:\n    out.write("kept words")`;
        const first = await take(context, version, [version.python(write)]);
        onlyResult(first);
        const read = `print(open("/tmp/kept.txt").read())`;
        const second = await take(context, version, [version.python(read)], {
          body: { container: first.container?.id },
        });
        expectEqual(stdoutOf(onlyResult(second)).trim(), "kept words", "stdout");
        expectEqual(second.container?.id, first.container?.id, "container.id");
      },
    },
    {
      name: `${suffix}/invalid-input`,
      group,
      title: "a call without its input is an error block with invalid_tool_input, inside a 200",
      async run(context) {
        const { tool, resultType } = version;
        const { type, content } = onlyResult(await take(context, version, [{ tool, input: {} }]));
        expectEqual(type, resultType, "The type");
        expectFields(
          content,
          { type: `${resultType}_error`, error_code: "invalid_tool_input" },
          "content",
        );
      },
    },
    {
      name: `${suffix}/time-limit`,
      group,
      title:
        "a program without an end ends: execution_time_exceeded, or a return_code that is not 0",
      async run(context) {
        const endless = version.python("while True:\n    pass");
        const message = await within(SECONDS_FOR_LIMIT, take(context, version, [endless]));
        const { content } = onlyResult(message);
        if (!Array.isArray(content) && "return_code" in content)
          check(content.return_code !== 0, "The program has ended with 0.");
        else expectFields(content, { error_code: "execution_time_exceeded" }, "content");
      },
    },
    {
      name: `${suffix}/tool-fields`,
      group,
      title: "cache_control, defer_loading and strict on the declaration are taken",
      async run(context) {
        await requireVersion(context, version);
        await context.target.message(
          {
            ...toRequest(version, []),
            tools: [
              declare(version, {
                cache_control: { type: "ephemeral" },
                defer_loading: false,
                strict: false,
              }),
            ],
          },
          { betas: version.betas },
        );
      },
    },
  ];
}

/** From 20250825 on: a shell and an editor beside each other in one container. */
function shellCases(version: Version): Case[] {
  const { group } = version;
  const suffix = version.type.replace("code_execution_", "");
  const edit = (input: Record<string, unknown>): Step => ({
    tool: "text_editor_code_execution",
    input,
  });
  const path = "/tmp/poem.txt";
  const create = edit({ command: "create", path, file_text: "one\ntwo\nthree\nfour\nfive\n" });
  return [
    {
      name: `${suffix}/bash-return-code`,
      group,
      title: "a command that fails is an ordinary result with its return_code",
      async run(context) {
        const step = { tool: "bash_code_execution", input: { command: "echo out; exit 3" } };
        const { content } = onlyResult(await take(context, version, [step]));
        if (Array.isArray(content) || !("stdout" in content))
          throw new Failure(`The result is ${shorten(JSON.stringify(content))}`);
        expectEqual(content.return_code, 3, "return_code");
        expectEqual(content.stdout, "out\n", "stdout");
      },
    },
    {
      name: `${suffix}/editor`,
      group,
      title: "create, view and str_replace, each with its own result",
      async run(context) {
        const message = await take(context, version, [
          create,
          edit({ command: "view", path }),
          edit({ command: "str_replace", path, old_str: "three", new_str: "3" }),
          edit({ command: "create", path, file_text: "again\n" }),
        ]);
        requireUses(message, 4);
        const contents = resultsOf(message).map(({ content }) => content);
        check(contents.length === 4, `There are ${contents.length} results for 4 steps.`);
        expectEqual(
          contents[0],
          { type: "text_editor_code_execution_create_result", is_file_update: false },
          "create",
        );
        expectFields(
          contents[1],
          {
            type: "text_editor_code_execution_view_result",
            file_type: "text",
            content: "one\ntwo\nthree\nfour\nfive",
            num_lines: 5,
            start_line: 1,
            total_lines: 5,
          },
          "view",
        );
        expectFields(
          contents[2],
          {
            type: "text_editor_code_execution_str_replace_result",
            old_start: 1,
            old_lines: 5,
            new_start: 1,
            new_lines: 5,
            lines: [" one", " two", "-three", "+3", " four", " five"],
          },
          "str_replace",
        );
        expectFields(contents[3], { is_file_update: true }, "create over a file");
      },
    },
    {
      name: `${suffix}/editor-errors`,
      group,
      title: "a missing file is an error block with file_not_found, inside a 200",
      async run(context) {
        const { type, content } = onlyResult(
          await take(context, version, [edit({ command: "view", path: "/tmp/not-here.txt" })]),
        );
        expectEqual(type, "text_editor_code_execution_tool_result", "The type");
        expectFields(
          content,
          { type: "text_editor_code_execution_tool_result_error", error_code: "file_not_found" },
          "content",
        );
      },
    },
    {
      name: `${suffix}/replace-nothing`,
      group,
      title: "str_replace of a text that is not there is an error block, and changes nothing",
      async run(context) {
        const message = await take(context, version, [
          create,
          edit({ command: "str_replace", path, old_str: "seven", new_str: "7" }),
          edit({ command: "view", path }),
        ]);
        requireUses(message, 3);
        const [, second, third] = resultsOf(message).map(({ content }) => content);
        expectFields(
          second,
          { type: "text_editor_code_execution_tool_result_error" },
          "str_replace",
        );
        expectFields(third, { content: "one\ntwo\nthree\nfour\nfive" }, "view");
      },
    },
    {
      name: `${suffix}/large-output`,
      group,
      title: "a command that writes 200 MB: output_file_too_large, or a result that was cut",
      async run(context) {
        const command = "yes | head -c 200000000";
        const message = await take(context, version, [
          { tool: "bash_code_execution", input: { command } },
        ]);
        const { content } = onlyResult(message);
        if (!Array.isArray(content) && "stdout" in content)
          check(content.stdout.length < 200_000_000, "The answer holds all of it.");
        else expectFields(content, { error_code: "output_file_too_large" }, "content");
      },
    },
    {
      name: `${suffix}/one-container`,
      group,
      title: "the shell sees what the editor wrote",
      async run(context) {
        const message = await take(context, version, [
          create,
          { tool: "bash_code_execution", input: { command: `head -n 1 ${path}` } },
        ]);
        requireUses(message, 2);
        const last = resultsOf(message).at(-1);
        check(last !== undefined, "There is no result.");
        expectEqual(stdoutOf(last), "one\n", "stdout");
      },
    },
    {
      name: `${suffix}/output-dir-top-level`,
      group,
      title: "only the top level of $OUTPUT_DIR is captured, and each call has an empty one",
      async run(context: Context) {
        const first =
          'mkdir "$OUTPUT_DIR/inner"; echo a > "$OUTPUT_DIR/inner/a"; echo b > "$OUTPUT_DIR/b"';
        const second = 'ls -A "$OUTPUT_DIR" | wc -l';
        const message = await take(
          context,
          version,
          [first, second].map((command) => ({ tool: "bash_code_execution", input: { command } })),
        );
        requireUses(message, 2);
        const [one, two] = resultsOf(message);
        check(one !== undefined && two !== undefined, "There are not two results.");
        check(fileIdsOf(one).length === 1, `The first call brings ${fileIdsOf(one).length} files.`);
        expectEqual(stdoutOf(two).trim(), "0", "Files in the second call's folder");
      },
    },
  ];
}

/** A server's own limit may be longer than anybody wants to wait. */
const SECONDS_FOR_LIMIT = 60;

async function within<Value>(seconds: number, work: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Skip(`the limit is longer than ${seconds} seconds`)),
    seconds * 1000,
  );
  return await Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}

function pairUp(
  uses: readonly { id: string }[],
  results: readonly ResultBlock[],
  codes: readonly string[],
): void {
  expectEqual(uses.length, codes.length, "The number of calls");
  for (const [n, { id }] of uses.entries()) {
    const found = results.filter((block) => block.tool_use_id === id);
    check(found.length === 1, `The call ${id} has ${found.length} results.`);
    const word = /'(\w+)'/.exec(codes[n] ?? "")?.[1] ?? "";
    expectEqual(stdoutOf(found[0]!).trim(), word, `stdout of call ${n + 1}`);
  }
}

function expectFields(actual: unknown, expected: Record<string, unknown>, what: string): void {
  const fields = (actual ?? {}) as Record<string, unknown>;
  for (const [name, value] of Object.entries(expected))
    expectEqual(fields[name], value, `${what}.${name}`);
}
