import { expect, test } from "vitest";

import { createReplyCutter } from "./reply-cutter.ts";

const FENCE = "```python\n";

test.each([
  ["goes on", "continued", FENCE, "print(1)\n```\nwords", "print(1)\n"],
  ["repeats the beginning", "continued", FENCE, "```python\nprint(1)\n```", "print(1)\n"],
  ["begins with part of the beginning", "continued", "Total: ", "Tot", "Tot"],
  [
    "opens the fence anew",
    "continued",
    "Easy.\n\n```python\na = 1\n",
    "```python\nprint(1)\n```",
    "print(1)\n",
  ],
  ["is over at once", "continued", "```python\na = 1\n", "```\nwords", ""],
  ["is over at once without a word more", "continued", "```python\na = 1\n", "```", ""],
  ["has no beginning", "continued", "", "```", ""],
  ["explains first", "asked", FENCE, "Sure!\n\n```python\nprint(1)\n```\nwords", "print(1)\n"],
  ["has another fence", "asked", FENCE, "``` py\nprint(1)\n```", "print(1)\n"],
  ["has no fence", "asked", FENCE, "print(1)", "print(1)"],
  ["was asked for words", "asked", "Total:", "Total: 5", " 5"],
  ["ends in what might become a stop", "continued", FENCE, "x = '``", "x = '``"],
] as const)("a reply that %s", (_, kind, prefix, reply, expected) => {
  for (let size = 1; size <= reply.length; size++) {
    const cutter = createReplyCutter({ prefix, stop: ["```", ""] }, kind);
    let text = "";
    for (let at = 0; at < reply.length; at += size) text += cutter.push(reply.slice(at, at + size));
    expect(text + cutter.end()).toBe(expected);
  }
});
