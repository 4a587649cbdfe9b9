/** The table against what the native rendering sends: it may neither promise nor leave out a block. */
import { expect, test } from "vitest";

import type { RejectionCode, SandboxOutput } from "../../tools/tool.ts";
import { FAMILIES } from "./families.ts";
import { native } from "./native.ts";

const EXECUTION: SandboxOutput = {
  kind: "execution",
  parts: [],
  stdout: "",
  stderr: "",
  returnCode: 0,
  tookTooLong: false,
  fileIds: [],
};
const OUTPUTS: Record<string, SandboxOutput[]> = {
  code_execution: [EXECUTION],
  bash_code_execution: [EXECUTION],
  text_editor_code_execution: [
    { kind: "view", fileType: "text", content: "", lineCount: 0, startLine: 1, totalLines: 0 },
    { kind: "create", isFileUpdate: false },
    {
      kind: "str_replace",
      hunk: { oldStart: 1, oldLines: 1, newStart: 1, newLines: 1, lines: [] },
    },
  ],
};

const CODES: RejectionCode[] = [
  "invalid_tool_input",
  "unavailable",
  "too_many_requests",
  "execution_time_exceeded",
  "output_file_too_large",
  "file_not_found",
  "string_not_found",
];

test.each(Object.entries(FAMILIES))("%s", (name, family) => {
  const use = { id: "srvtoolu_1", name };
  const blocks = OUTPUTS[name]!.flatMap((output) => native.toResultBlocks(use, output));
  expect(new Set(blocks.map(({ type }) => type))).toEqual(new Set([family.result]));
  expect(blocks.map((block) => "content" in block && typeOf(block.content))).toEqual(
    family.contents,
  );
  for (const errorCode of CODES) {
    const [block] = native.toRejectionBlocks(use, { errorCode, message: "Why." });
    const sent = errorCode in family.errors ? errorCode : "unavailable";
    expect(block).toMatchObject({
      type: family.result,
      tool_use_id: "srvtoolu_1",
      content: { type: family.error, error_code: sent },
    });
  }
});

function typeOf(content: unknown): unknown {
  return typeof content === "object" && content !== null && "type" in content ? content.type : null;
}
