/** `curta doctor --attack`: every escape check is held on this host, and seen to come through without its wall. */
import { describe, expect, test } from "vitest";

import type { Finding } from "../../../src/cli/doctor.ts";
import { runCli } from "../../../src/cli/program.ts";
import { createTestIo } from "../../support/test-io.ts";

async function attack(env: Record<string, string>) {
  await using io = await createTestIo({
    CURTA_PORT: "4993",
    ...(process.env.CURTA_CACHE === undefined ? {} : { CURTA_CACHE: process.env.CURTA_CACHE }),
    ...env,
  });
  const code = await runCli(["doctor", "--attack", "--json"], io);
  const findings = JSON.parse(io.out()) as Finding[];
  return { code, attacks: findings.filter(({ kind }) => kind === "attack") };
}

describe("the escape checks", () => {
  test("are held", async () => {
    const { attacks, code } = await attack({});
    expect(attacks.filter(({ state }) => state !== "held")).toEqual([]);
    expect(attacks.length).toBeGreaterThan(35);
    expect(code).toBe(0);
  });

  test("come through where the operator has given up the filter, and only those that it holds", async () => {
    const { attacks, code } = await attack({ CURTA_WEAKEN: "seccomp" });
    const through = attacks.filter(({ state }) => state === "came through");
    const numbers = new Set(through.map(({ name }) => Number.parseInt(name, 10)));
    for (const number of [17, 20, 25, 26, 28, 29, 30]) expect(numbers).toContain(number);
    for (const number of [32, 34, 35, 37, 41, 44]) expect(numbers).not.toContain(number);
    expect(code).toBe(1);
  });
});
