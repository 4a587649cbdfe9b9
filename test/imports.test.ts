/** Imports point downward: a file may use its own layer and those below, never one above. */
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SOURCES = fileURLToPath(new URL("../src", import.meta.url));

/** From the bottom up. Tools know the words of the model's side: what a tool is declared as. */
const LAYERS = ["kernel", "sandbox", "search", "providers", "tools", "agent", "wire", "http"];
const ABOVE_THEM = ["setup", "app", "conformance", "cli", "main"];
const USED_BY_ALL = new Set(["config", "errors", "telemetry", "store"]);

const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter(
  (file) => file.endsWith(".ts") && !file.endsWith(".test.ts"),
);

test.each(files)("%s", (file) => {
  const wrong = importsOf(file).filter((imported) => !mayUse(layerOf(file), layerOf(imported)));
  expect(wrong).toEqual([]);
});

function importsOf(file: string): string[] {
  const text = readFileSync(join(SOURCES, file), "utf8");
  const specifiers = [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)].map(
    ([, path]) => path ?? "",
  );
  return specifiers
    .map((path) => normalize(join(dirname(file), path)))
    .filter((path) => !path.startsWith(".."));
}

function layerOf(file: string): string {
  return (file.split("/")[0] ?? file).replace(/\.ts$/, "");
}

function mayUse(user: string, used: string): boolean {
  if (user === used) return true;
  if (USED_BY_ALL.has(used)) return true;
  const height = (name: string): number => [...LAYERS, ...ABOVE_THEM].indexOf(name);
  // A name outside the list is a new layer: it has to be given its place.
  return height(user) >= 0 && height(used) >= 0 && height(used) < height(user);
}
