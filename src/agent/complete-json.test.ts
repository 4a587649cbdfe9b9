import fc from "fast-check";
import { expect, test } from "vitest";

import { completeJson } from "./complete-json.ts";

test.each([
  ['{"code": "impor', '"}'],
  ['{"code": "a\\', '\\"}'],
  ['{"code": "a\\u00', '00"}'],
  ['{"code"', ":null}"],
  ['{"co', '":null}'],
  ['{"code":', "null}"],
  ['{"a": 1,', '"":null}'],
  ['{"a": [1, 2', "]}"],
  ['{"a": tr', "ue}"],
  ['{"a": 1.', "0}"],
  ["{", "}"],
  ['{"a": 1}', ""],
])("%s is completed with %s", (text, suffix) => {
  expect(completeJson(text)).toBe(suffix);
});

test.each(["", "[1", "nonsense", '{"a": 1}}', "{a: 1"])(
  "%j cannot be completed to an object",
  (text) => {
    expect(completeJson(text)).toBeNull();
  },
);

// A bound on a hang: random texts take their time on a busy machine.
test("every beginning of an object's JSON can be completed", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()),
      fc.nat(),
      (value, at) => {
        const text = JSON.stringify(value);
        const start = text.slice(0, 1 + (at % text.length));
        const suffix = completeJson(start);
        expect(suffix).not.toBeNull();
        expect(JSON.parse(start + suffix)).toBeTypeOf("object");
      },
    ),
  );
});
