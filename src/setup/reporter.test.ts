import { expect, test } from "vitest";

import { createReporter, formatProgress } from "./reporter.ts";
import type { Screen } from "./reporter.ts";

test.each([
  [0, 1_117_320_768, 0, "0 kB of 1.12 GB"],
  [120_000_000, 1_117_320_768, 54_000_000, "120 MB of 1.12 GB, 54.0 MB/s, 18 s left"],
  [1_500_000, null, 250_000, "1.5 MB, 250 kB/s"],
  [1_000_000, 1_000_000_000, 100_000, "1.0 MB of 1.00 GB, 100 kB/s, 3 h left"],
  [1_000_000, 61_000_000, 100_000, "1.0 MB of 61.0 MB, 100 kB/s, 10 min left"],
])("%s of %s bytes at %s per second", (done, total, rate, expected) => {
  expect(formatProgress(done, total, rate)).toBe(expected);
});

test("a terminal sees one line redrawn in place", () => {
  const { screen, text, clock } = recorder(true);
  const step = createReporter(screen, clock.now).step("model");
  step.progress(0, 100_000_000);
  clock.add(2000);
  step.progress(50_000_000, 100_000_000);
  step.end("ready");
  expect(text()).toContain(
    "\r\u001B[K  model [==========          ] 50.0 MB of 100 MB, 25.0 MB/s, 2 s left",
  );
  expect(text().match(/\n/g)).toHaveLength(1);
  expect(text()).toMatch(/model: ready\n$/);
});

test("a log gets a line at the beginning, every ten seconds and at the end", () => {
  const { screen, text, clock } = recorder(false);
  const step = createReporter(screen, clock.now).step("model");
  for (let second = 0; second < 25; second++) {
    step.progress(second * 1_000_000, 25_000_000);
    clock.add(1000);
  }
  step.end("ready");
  step.end("ready");
  expect(text()).toBe(
    "model …\nmodel: 10.0 MB of 25.0 MB, 1.0 MB/s, 15 s left\nmodel: 20.0 MB of 25.0 MB, 1.0 MB/s, 5 s left\nmodel: ready\n",
  );
});

function recorder(isTTY: boolean): {
  screen: Screen;
  text: () => string;
  clock: { now: () => number; add: (ms: number) => void };
} {
  const written: string[] = [];
  let time = 0;
  return {
    screen: { isTTY, columns: 100, write: (text) => written.push(text) },
    text: () => written.join(""),
    clock: { now: () => time, add: (ms) => (time += ms) },
  };
}
