/** The fonts of a label are found once (python/kernel/fonts.py), and still the ones that matplotlib would find. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
});
afterAll(() => server.close());

const SEARCHES = `from matplotlib import font_manager, rcParams
import matplotlib.pyplot as plt
manager = font_manager.fontManager
searches = []
find = font_manager.FontManager.findfont
def count(*arguments, **options):
    searches.append(arguments)
    return find(*arguments, **options)
font_manager.FontManager.findfont = count
def fonts(**wanted):
    searches.clear()
    found = [str(font) for font in manager._find_fonts_by_props(font_manager.FontProperties(**wanted))]
    return found, len(searches)
`;

test("a text that is asked for again costs no search, one with another weight or setting does", async () => {
  const container = await createContainer(server);
  await container.print(SEARCHES);
  const answers = await container.print(`first, again = fonts(weight="bold"), fonts(weight="bold")
print(first[0] == again[0], len(first[0]) > 1, first[1] == len(first[0]), again[1])
print(fonts(weight="bold", family=["sans-serif"]) == fonts(weight="bold", family=["sans-serif"]))
before = fonts(family=["sans-serif"])[0]
rcParams["font.sans-serif"] = ["DejaVu Serif"]
after = fonts(family=["sans-serif"])[0]
print("DejaVuSans.ttf" in before[0], "DejaVuSerif.ttf" in after[0])`);
  expect(answers).toBe("True True True 0\nFalse\nTrue True\n");
});

test("a font that is missing is said each time, and found once it is there", async () => {
  const container = await createContainer(server);
  const cell = `plt.figure(); plt.title("x", family=["DejaVu Sans", "My Font"]); plt.show()`;
  await container.print(SEARCHES);
  for (let round = 0; round < 2; round += 1) {
    const { stderr } = await container.execute(cell);
    expect(stderr).toContain("Font family 'My Font' not found");
  }
  const { stderr } = await container.execute(`import dataclasses
entry = next(font for font in manager.ttflist if (font.name, font.weight, font.style) == ("DejaVu Serif", 400, "normal"))
manager.ttflist.append(dataclasses.replace(entry, name="My Font"))
# As manager.addfont does with the file of a font.
manager._findfont_cached.cache_clear()
${cell}`);
  expect(stderr).toBe("");
});
