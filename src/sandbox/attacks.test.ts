import { expect, test } from "vitest";

import { requireHeld, type AttackResult } from "./attacks.ts";
import type { Protection } from "./probe.ts";

const through: AttackResult = {
  number: 25,
  name: "trace a process",
  behind: "seccomp",
  held: false,
  detail: "done",
};
const optional: Protection = {
  name: "own-clock",
  enforced: false,
  required: false,
  detail: "",
  remedy: "",
};

test.each<[string, AttackResult[], Protection[], string, RegExp | null]>([
  ["nothing came through", [{ ...through, held: true }], [], "", null],
  ["an attack came through", [through], [], "", /25 trace a process \(done\)/],
  ["what holds it was given up", [through], [], "no-network, seccomp", null],
  ["something else was given up", [through], [], "no-network", /came through/],
  [
    "what holds it is missing and not required",
    [{ ...through, behind: "own-clock" }],
    [optional],
    "",
    null,
  ],
  [
    "what holds it is there",
    [{ ...through, behind: "own-clock" }],
    [{ ...optional, enforced: true }],
    "",
    /came through/,
  ],
])("a server and its escape checks: %s", (_name, attacks, protections, weaken, problem) => {
  const act = () => requireHeld(attacks, protections, weaken);
  if (problem === null) expect(act).not.toThrow();
  else expect(act).toThrow(problem);
});
