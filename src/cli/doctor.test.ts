import { expect, test } from "vitest";

import { renderFindings } from "./doctor.ts";
import type { Finding } from "./doctor.ts";
import { toBaseUrl } from "./client.ts";

const enforced: Finding = {
  name: "seccomp",
  kind: "protection",
  state: "enforced",
  required: true,
  detail: "212 calls",
  remedy: "",
};
const missing: Finding = {
  name: "cgroup",
  kind: "protection",
  state: "missing",
  required: true,
  detail: "none",
  remedy: "Delegate one.",
};
const optional: Finding = {
  name: "model",
  kind: "part",
  state: "missing",
  required: false,
  detail: "no file",
  remedy: "Fetch it.",
};

test("findings are a table and then what to do", () => {
  expect(renderFindings([enforced, missing, optional])).toBe(
    "seccomp  enforced  212 calls\ncgroup   missing   none\nmodel    missing   no file\n\ncgroup: Delegate one.\nmodel (optional): Fetch it.\nRequired and missing: cgroup.\n",
  );
  expect(renderFindings([enforced])).toMatch(/\n\nNothing is missing\.\n$/);
  expect(renderFindings([enforced, optional])).toMatch(
    /\nmodel \(optional\): Fetch it\.\nNothing that is required is missing\.\n$/,
  );
});

test("attempts to break out are counted", () => {
  const held: Finding = { ...enforced, name: "1 fork", kind: "attack", state: "held" };
  const through: Finding = { ...held, name: "2 read", state: "came through", remedy: "Report it." };
  expect(renderFindings([enforced, held, held])).toMatch(
    /\n\n2 attempts to break out: all held\.\nNothing is missing\.\n$/,
  );
  expect(renderFindings([held, through])).toMatch(
    /\n2 read: Report it\.\n1 of 2 attempts to break out came through\.\nNothing is missing\.\n$/,
  );
});

test.each([
  ["127.0.0.1", "http://127.0.0.1:4242"],
  ["0.0.0.0", "http://127.0.0.1:4242"],
  ["::", "http://[::1]:4242"],
  ["::1", "http://[::1]:4242"],
  ["localhost", "http://localhost:4242"],
])("a server on %s is found at %s", (host, url) => {
  expect(toBaseUrl({ host, port: 4242 })).toBe(url);
});
