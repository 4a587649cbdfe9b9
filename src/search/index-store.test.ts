import { mkdtemp, mkdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

import { indexFolder, type IndexReport } from "./index-folder.ts";
import { createLocalEngine, openIndexStore, type IndexStore } from "./index-store.ts";

let base: string;
let folder: string;
let store: IndexStore;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "curta-index-"));
  folder = join(base, "prices");
  await mkdir(folder);
  store = openIndexStore(join(base, "data"));
});

afterEach(async () => {
  store.close();
  await rm(base, { recursive: true, force: true });
});

function update(limits = { files: 100, fileBytes: 100_000 }): Promise<IndexReport> {
  return indexFolder(
    folder,
    {
      store,
      reader: () => Promise.resolve({ read: () => Promise.resolve("words of a PDF") }),
      limits,
      onProgress: () => {},
    },
    new AbortController().signal,
  );
}

const titles = (words: string): string[] => store.search(words, 10).map(({ title }) => title);

test("documents of every kind are found, the better match first, with address, age and passage", async () => {
  await writeFile(join(folder, "tech.csv"), "company,price\nApple,228.5\nNvidia,139.9\n");
  await utimes(join(folder, "tech.csv"), 0, Date.UTC(2026, 10, 24) / 1000);
  await writeFile(
    join(folder, "notes.md"),
    "# Fruit\n\nApples are cheap. The prices are stable.\n",
  );
  await writeFile(
    join(folder, "page.html"),
    "<title>Köln &amp; co</title><script>secret</script><p>Dom",
  );
  await writeFile(join(folder, "data.json"), '{"pears": 3}');
  await writeFile(join(folder, "paper.pdf"), "%PDF-");
  await writeFile(join(folder, "image.png"), "png");
  expect(await update()).toMatchObject({ added: 5, unchanged: 0, removed: 0, failed: [] });
  expect(store.search("Nvidia price today", 10)[0]).toEqual({
    url: "https://local.curta.invalid/prices/tech.csv",
    title: "tech.csv",
    text: "company,price\nApple,228.5\nNvidia,139.9",
    pageAge: "November 24, 2026",
  });
  expect(titles("fruit prices")[0]).toBe("Fruit");
  expect(titles("koln")).toEqual(["Köln & co"]);
  expect(titles("secret")).toEqual([]);
  expect(titles("pear")).toEqual(["data.json"]);
  expect(titles("words PDF")).toEqual(["paper.pdf"]);
  expect(store.read("https://local.curta.invalid/prices/notes.md")?.title).toBe("Fruit");
  expect(store.read("https://local.curta.invalid/prices/../../etc/passwd")).toBeNull();
  expect(store.read("https://local.curta.invalid/%")).toBeNull();
});

test("only what changed is read again, and what is gone goes", async () => {
  await writeFile(join(folder, "a.txt"), "alpha");
  await writeFile(join(folder, "b.txt"), "beta");
  await update();
  await writeFile(join(folder, "a.txt"), "gamma delta");
  await rm(join(folder, "b.txt"));
  await writeFile(join(folder, "c.txt"), "epsilon");
  expect(await update()).toMatchObject({ added: 2, unchanged: 0, removed: 1 });
  expect(await update()).toMatchObject({ added: 0, unchanged: 2, removed: 0 });
  expect([titles("alpha"), titles("beta"), titles("gamma"), titles("epsilon")]).toEqual([
    [],
    [],
    ["a.txt"],
    ["c.txt"],
  ]);
  expect(store.collections()).toEqual([{ name: "prices", folder, documents: 2, characters: 18 }]);
  expect(store.removeCollection(folder)).toBe(true);
  expect([titles("gamma"), store.collections(), store.removeCollection(folder)]).toEqual([
    [],
    [],
    false,
  ]);
});

test("limits, hidden files, links out of the folder and files that are no text", async () => {
  await writeFile(join(base, "outside.txt"), "outside");
  await symlink(join(base, "outside.txt"), join(folder, "link.txt"));
  await symlink(base, join(folder, "up"));
  await mkdir(join(folder, "node_modules"));
  await writeFile(join(folder, "node_modules", "x.txt"), "outside");
  await writeFile(join(folder, ".hidden.txt"), "outside");
  await writeFile(join(folder, "a.txt"), "\0\0binary");
  await writeFile(join(folder, "b.txt"), "x".repeat(1000));
  await writeFile(join(folder, "c.txt"), "inside");
  await writeFile(join(folder, "d.txt"), "inside");
  const report = await update({ files: 3, fileBytes: 500 });
  expect(report).toMatchObject({ added: 1, left: 1 });
  expect(report.failed.map(({ path }) => path)).toEqual(["a.txt", "b.txt"]);
  expect(titles("outside")).toEqual([]);
});

test.each(['"', "NEAR(a b)", "title:x", "a* AND NOT b", "-", "", "{}^", "x".repeat(5000)])(
  "a query is words, whatever it holds: %#",
  async (query) => {
    await writeFile(join(folder, "a.txt"), "alpha beta");
    await update();
    expect(() => store.search(query, 10)).not.toThrow();
  },
);

test("the engine keeps the domain lists before it counts", async () => {
  await writeFile(join(folder, "a.txt"), "alpha");
  await update();
  const run = (allowedDomains: string[], blockedDomains: string[]) =>
    createLocalEngine(store, 10).search(
      { text: "alpha", allowedDomains, blockedDomains, location: null },
      new AbortController().signal,
    );
  expect(await run(["local.curta.invalid"], [])).toHaveLength(1);
  expect(await run(["example.org"], [])).toEqual([]);
  expect(await run([], ["curta.invalid"])).toEqual([]);
});

test("a long table is found by its rows, each passage under the header", async () => {
  const rows = Array.from({ length: 500 }, (_, index) => `company${index},${index}.5`);
  await writeFile(join(folder, "long.csv"), `company,price\n${rows.join("\n")}\n`);
  await update();
  const [found] = store.search("company423", 10);
  expect(found?.text).toMatch(/^company,price\n/);
  expect(found?.text).toContain("company423,423.5");
});
