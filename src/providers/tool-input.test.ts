import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createToolInput } from "./tool-input.ts";

function feed(fragments: string[]): { text: string; complete: boolean } {
  const input = createToolInput();
  const pushed = fragments.map((fragment) => input.push(fragment)).join("");
  const complete = input.isComplete();
  return { text: pushed + input.end(), complete };
}

const object = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue());

describe("createToolInput", () => {
  test("passes any object through, however it is cut", () => {
    fc.assert(
      fc.property(object, fc.nat(), fc.boolean(), (value, at, pretty) => {
        const json = JSON.stringify(value, null, pretty ? 2 : 0);
        const cut = at % (json.length + 1);
        const { text, complete } = feed([json.slice(0, cut), json.slice(cut)]);
        expect(complete).toBe(true);
        expect(JSON.parse(text)).toEqual(JSON.parse(json));
      }),
    );
  });

  test("completes any object that breaks off", () => {
    fc.assert(
      fc.property(object, fc.nat(), (value, at) => {
        const json = JSON.stringify(value);
        const { text } = feed([json.slice(0, at % json.length)]);
        expect(JSON.parse(text)).toBeTypeOf("object");
      }),
    );
  });

  test("streams what it can", () => {
    const input = createToolInput();
    expect(input.push('{"code":"print(')).toBe('{"code":"print(');
    expect(input.isComplete()).toBe(false);
  });

  test.each([
    ["nothing", [""], {}],
    ["null", ["null"], {}],
    ["an empty object", ["{", " }"], {}],
    ["a placeholder first", ["{}", '{"a":1}'], { a: 1 }],
    ["a placeholder in the same piece", ['{}{"a":1}'], { a: 1 }],
    ["something after the object", ['{"a":1}', "} done"], { a: 1 }],
    ["the object in a string", ['"{\\"a\\":1}"'], { a: 1 }],
    ["raw control characters", ['{"a":"x\n\ty"}'], { a: "x\n\ty" }],
    ["Python", ["{'a': 1}"], { INVALID_JSON: "{'a': 1}" }],
    ["a list", ["[1]"], { INVALID_JSON: "[1]" }],
    ["a bad number at once", ['{"a":01}'], { INVALID_JSON: '{"a":01}' }],
  ])("%s", (_, fragments, expected) => {
    const { text, complete } = feed(fragments);
    expect(JSON.parse(text)).toEqual(expected);
    expect(complete).toBe(true);
  });

  test.each([
    '{"a":tr',
    '{"a":-',
    '{"a":1.',
    '{"a":1e',
    '{"a":1e+',
    '{"a":"\\',
    '{"a":"\\u00',
    '{"a',
    '{"a"',
    '{"a":1,',
    '{"a":[1,',
  ])("completes %s", (fragment) => {
    const { text, complete } = feed([fragment]);
    expect(JSON.parse(text)).toHaveProperty("a");
    expect(complete).toBe(false);
  });

  test("fails when text that is out already turns wrong", () => {
    const input = createToolInput();
    input.push('{"a":');
    expect(() => input.push("print")).toThrow(/not JSON/);
  });
});
