import fc from "fast-check";
import { expect, test } from "vitest";

import { instruct, readInstructions } from "./instructions.ts";

const name = fc.stringMatching(/^[a-z]\w{0,20}$/);
const word = fc.stringMatching(/^[A-Za-z][A-Za-z ,.]{0,30}[A-Za-z]$/);

test("a scripted model reads what a real one is told, whatever the input holds", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ tool: name, input: fc.dictionary(name, fc.json()) }), { maxLength: 4 }),
      word,
      fc.boolean(),
      (steps, answer, atOnce) => {
        const read = readInstructions(instruct(steps, { answer, atOnce }));
        expect(read).toEqual({ steps, answer, atOnce: atOnce && steps.length > 1 });
      },
    ),
  );
});

test("another text holds no instructions", () => {
  expect(readInstructions("What is the weather?")).toBeNull();
});
