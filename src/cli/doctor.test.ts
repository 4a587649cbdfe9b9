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
    "seccomp  enforced  212 calls\ncgroup   missing   none\nmodel    missing   no file\n\ncgroup: Delegate one.\nmodel (optional): Fetch it.\n",
  );
  expect(renderFindings([enforced])).toContain("Nothing is missing.");
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
