/** The documents name only what there is: files, headings, settings, scripts, paths of the server, packages. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, test } from "vitest";

import { describeConfig, loadConfig } from "../src/config.ts";
import { createRoutes } from "../src/http/routes.ts";
import type { Services } from "../src/http/services.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const documents = ["", "docs", "examples"].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name)),
);
const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

const variables = new Set(describeConfig().map(({ variable }) => variable));
const manifest = JSON.parse(read("package.json")) as Record<
  "scripts" | "dependencies" | "optionalDependencies" | "devDependencies",
  Record<string, string>
>;
// Only the table is wanted, and the handlers read nothing but settings while they are made.
const routes = createRoutes({ config: loadConfig() } as Services, () => "open").map(
  ({ method, path }) => ({
    method,
    pattern: new RegExp(`^${path.replaceAll(/:\w+(\{[^}]*\})?/g, "[^/]+").replaceAll("*", ".+")}$`),
  }),
);

test("there are documents to look at", () => {
  expect(documents).toEqual(
    expect.arrayContaining(["README.md", "SECURITY.md", "docs/models.md", "examples/README.md"]),
  );
});

describe.each(documents)("%s", (name) => {
  const text = read(name);

  test("its links lead to files and headings that exist", () => {
    expect(linksOf(text).filter((link) => !leadsSomewhere(name, link))).toEqual([]);
  });

  test("the files it names exist", () => {
    const named = [
      ...text.matchAll(
        /(?<![\w/.])((?:src|python|test|docs|examples|scripts|bench|bin)\/[\w./-]*\w)/g,
      ),
    ].map(([, path = ""]) => path);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  test("the settings it names exist", () => {
    const named = text.match(/CURTA_[A-Z_]+/g) ?? [];
    expect(named.filter((variable) => !variables.has(variable))).toEqual([]);
  });

  test("the scripts it names exist", () => {
    const named = [...text.matchAll(/npm run (\w+)/g)].map(([, script = ""]) => script);
    expect(named.filter((script) => !(script in manifest.scripts))).toEqual([]);
  });

  test("the requests it shows are routes of the server", () => {
    expect(requestsOf(text).filter((request) => !isRoute(request))).toEqual([]);
  });

  test("it says nothing of the machine it was written on", () => {
    expect(text).not.toMatch(/(?<![\w/])\/(?:root|home\/(?!user\b)\w+)\/|\/simple\b/);
  });
});

test("docs/dependencies.md names exactly the packages of package.json", () => {
  const npm = /^## npm, at run time[\s\S]*?(?=^## Python)/m.exec(read("docs/dependencies.md"))?.[0];
  const named = [...(npm ?? "").matchAll(/^\| `([^`]+)`/gm)].map(([, name = ""]) => name);
  const { dependencies, optionalDependencies, devDependencies } = manifest;
  const declared = [dependencies, optionalDependencies, devDependencies].flatMap(Object.keys);
  expect(named.toSorted()).toEqual(declared.toSorted());
});

function linksOf(text: string): string[] {
  return [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
}

function leadsSomewhere(from: string, link: string): boolean {
  if (/^https?:/.test(link)) return true;
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? from : normalize(join(dirname(from), path));
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || headingsOf(read(target)).includes(anchor);
}

/** As forges make anchors of headings. */
function headingsOf(text: string): string[] {
  return [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-"),
  );
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, "");
}

interface Request {
  method: string;
  path: string;
}

/** `curl` lines against the server, and `GET /path` in the text. */
function requestsOf(text: string): Request[] {
  const curls = [...text.matchAll(/curl (.*?)http:\/\/127\.0\.0\.1:4242(\/[^\s'"`]*)?(.*)$/gm)].map(
    ([, before = "", path = "/", after = ""]) => ({
      method: methodOf(`${before} ${after}`),
      path,
    }),
  );
  const named = [...text.matchAll(/`(GET|POST|PUT|DELETE) (\/[^\s`]*)`/g)].map(
    ([, method = "", path = ""]) => ({ method, path }),
  );
  return [...curls, ...named];
}

function methodOf(flags: string): string {
  const given = / -X (\w+)/.exec(` ${flags}`)?.[1];
  if (given !== undefined) return given;
  if (/(^| )-T /.test(flags)) return "PUT";
  return /(^| )-[dF] |\\$/.test(flags) ? "POST" : "GET";
}

function isRoute({ method, path }: Request): boolean {
  const plain = path.replace(/\?.*$/, "").replace(/[).,;]+$/, "");
  return routes.some((route) => route.method === method && route.pattern.test(plain));
}
