import { expect, test } from "vitest";

import type { ExecutionEvent } from "../sandbox/sandbox.ts";
import {
  createOutputFold,
  cutMiddle,
  toModelContent,
  type ExecutionOutput,
} from "./execution-output.ts";

const PNG = Buffer.from("89504e470d0a1a0a0000000d4948445200000280000001e0", "hex").toString(
  "base64",
);
const OTHER_PNG = Buffer.from("89504e470d0a1a0a0000000d494844520000000100000001", "hex").toString(
  "base64",
);

const usage = { wall_ms: 1, cpu_ms: 1, peak_memory_bytes: 1 };
const done: ExecutionEvent = {
  type: "done",
  status: "ok",
  error: null,
  return_code: 0,
  usage,
  truncated: false,
  notice: null,
};
const stdout = (text: string): ExecutionEvent => ({ type: "stdout", text });
const stderr = (text: string): ExecutionEvent => ({ type: "stderr", text });
const show = (data: Record<string, string>): ExecutionEvent => ({
  type: "output",
  output: { type: "display_data", data, metadata: {} },
});
const file = (filename: string, mimeType: string, bytes: Buffer): ExecutionEvent => ({
  type: "file",
  file: { filename, mimeType, bytes, displayed: false },
});

function fold(events: ExecutionEvent[], bytesMax = 100_000): ExecutionOutput {
  const output = createOutputFold({ timeoutMs: 30_000, bytesMax });
  for (const event of events) output.add(event);
  return output.finish([]);
}

const text = (value: string, isError = false) => ({ type: "text", text: value, isError });
const image = (data: string) => ({ type: "image", mediaType: "image/png", data });

test.each<[string, ExecutionEvent[], unknown[]]>([
  ["silence is said in words", [done], [text("(no output)")]],
  [
    "printed lines are one part without the last line break",
    [stdout("a\n"), stdout("b\n"), done],
    [text("a\nb")],
  ],
  [
    "images keep their place between prints",
    [stdout("a\n"), show({ "image/png": PNG, "text/plain": "<Figure>" }), stdout("b\n"), done],
    [text("a"), image(PNG), text("b")],
  ],
  [
    "a value follows what was printed",
    [stdout("a"), show({ "text/plain": "2" }), done],
    [text("a\n2")],
  ],
  [
    "line breaks inside base64 go",
    [show({ "image/png": `${PNG.slice(0, 4)}\n${PNG.slice(4)}\n` }), done],
    [image(PNG)],
  ],
  [
    "a chart that is shown and saved with the same bytes counts once",
    [show({ "image/png": PNG }), file("chart.png", "image/png", Buffer.from(PNG, "base64")), done],
    [image(PNG)],
  ],
  [
    "two charts count twice",
    [
      show({ "image/png": PNG }),
      file("chart.png", "image/png", Buffer.from(OTHER_PNG, "base64")),
      done,
    ],
    [image(PNG), image(OTHER_PNG)],
  ],
  [
    "other files are named",
    [file("t.csv", "text/csv", Buffer.from("a,b")), done],
    [text("[file saved: t.csv, 3 bytes]")],
  ],
  ["both streams are one text", [stdout("a\n"), stderr("warning\n"), done], [text("a\nwarning")]],
  [
    "a progress bar counts as drawn last",
    [stderr("10%\r50%\r100%\r\nend\n"), done],
    [text("100%\nend")],
  ],
  [
    "a rich object shows its content instead of its address",
    [show({ "text/plain": "<IPython.core.display.HTML object>", "text/html": "<b>x</b>" }), done],
    [text("<b>x</b>")],
  ],
  [
    "svg falls back to its words",
    [show({ "image/svg+xml": "<svg/>", "text/plain": "drawing" }), done],
    [text("drawing")],
  ],
  [
    "an error is a part of its own after what was printed",
    [
      stdout("before\n"),
      {
        ...done,
        status: "error",
        return_code: 1,
        error: {
          name: "ZeroDivisionError",
          message: "division by zero",
          traceback: "Traceback …\n",
          line: 1,
        },
      },
    ],
    [text("before"), text("Traceback …", true)],
  ],
  [
    "an error without a traceback has its name",
    [
      {
        ...done,
        status: "error",
        error: { name: "KeyError", message: "'x'", traceback: "", line: null },
      },
    ],
    [text("KeyError: 'x'", true)],
  ],
  [
    "a time-out says so, with the notice",
    [stdout("tick"), { ...done, status: "timeout", notice: "The variables are kept." }],
    [
      text("tick"),
      text(
        "The code was stopped: it ran longer than the limit of 30 seconds.\nThe variables are kept.",
        true,
      ),
    ],
  ],
  [
    "output that the engine left out is mentioned",
    [stdout("a\n"), { ...done, truncated: true }],
    [text("a\n[Output beyond the limit left out]")],
  ],
])("%s", (_, events, parts) => {
  expect(fold(events).parts).toEqual(parts);
});

test("the process view keeps the streams apart", () => {
  const error = { name: "E", message: "", traceback: "Traceback: E", line: 1 };
  const output = fold([
    stdout("a\n"),
    show({ "text/plain": "2" }),
    stderr("w\n"),
    { ...done, status: "error", error },
  ]);
  expect(output).toMatchObject({ stdout: "a\n2\n", stderr: "w\nTraceback: E\n", returnCode: 1 });
});

test("text and images beyond the bound are named", () => {
  const { parts } = fold([stdout("x".repeat(50)), show({ "image/png": PNG }), done], 40);
  expect(parts).toHaveLength(1);
  expect(parts[0]).toMatchObject({
    text: expect.stringMatching(/^x{40}\n\[\d+ characters of output left out\]$/),
  });
  const image = fold([show({ "image/png": PNG }), done], PNG.length - 1).parts;
  expect(image).not.toContainEqual(expect.objectContaining({ type: "image" }));
});

test("only files that bring something new are kept", () => {
  const output = createOutputFold({ timeoutMs: 1, bytesMax: 1000 });
  expect(output.add(show({ "image/png": PNG }))).toMatchObject({
    filename: "figure-1.png",
    mimeType: "image/png",
    displayed: true,
  });
  expect(output.add(file("same.png", "image/png", Buffer.from(PNG, "base64")))).toBeNull();
  expect(output.add(file("t.csv", "text/csv", Buffer.from("a")))).toMatchObject({
    filename: "t.csv",
  });
});

test("the model reads text and images in order, neighbouring text as one", () => {
  const content = toModelContent(
    [
      { type: "text", text: "a", isError: false },
      { type: "text", text: "b", isError: true },
      { type: "image", mediaType: "image/png", data: PNG },
    ],
    1000,
  );
  expect(content).toEqual([
    { type: "text", text: "a\nb" },
    { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } },
  ]);
});

test("the model gets eight images, the rest as words", () => {
  const parts = Array.from({ length: 9 }, () => ({
    type: "image" as const,
    mediaType: "image/png",
    data: PNG,
  }));
  const content = toModelContent(parts, 1000);
  expect(content.filter((block) => block.type === "image")).toHaveLength(8);
  expect(content.at(-1)).toEqual({ type: "text", text: "[chart shown to the user: PNG 640x480]" });
});

test("long text loses its middle and says how much", () => {
  expect(cutMiddle("abcdefghij", 4)).toBe("ab\n[… 6 characters left out …]\nij");
  expect(cutMiddle("short", 5)).toBe("short");
  const [block] = toModelContent(
    [{ type: "text", text: "x".repeat(100_000), isError: false }],
    24_000,
  );
  expect(block).toMatchObject({ text: expect.stringContaining("76000 characters left out") });
});
