/**
 * The fonts that labels in the world's larger scripts need.
 *
 * matplotlib brings DejaVu Sans (Latin, Greek, Cyrillic, Arabic, Hebrew, Georgian, Armenian, symbols).
 * One small file covers Chinese, Japanese and Korean; the others are npm packages of this project.
 */
import { copyFile, mkdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";

import { requirementsFile, unpackWheel } from "./tools.ts";
import type { PipContext } from "./tools.ts";

/** In the order in which matplotlib is to look for a glyph. */
export const FONT_FAMILIES = [
  "DejaVu Sans",
  "Noto Sans Devanagari",
  "Noto Sans Thai",
  "Noto Sans Bengali",
  "Noto Sans Tamil",
  "WenQuanYi Micro Hei",
  "Noto Emoji",
] as const;

const NPM_FONTS = {
  "@expo-google-fonts/noto-sans-devanagari": "NotoSansDevanagari_400Regular.ttf",
  "@expo-google-fonts/noto-sans-thai": "NotoSansThai_400Regular.ttf",
  "@expo-google-fonts/noto-sans-bengali": "NotoSansBengali_400Regular.ttf",
  "@expo-google-fonts/noto-sans-tamil": "NotoSansTamil_400Regular.ttf",
  "@expo-google-fonts/noto-emoji": "NotoEmoji_400Regular.ttf",
};
const WHEEL_FONT = "paperang_p2_fonts_cjk/fonts/wqy-microhei.ttc";

export async function copyFonts(folder: string, pip: PipContext): Promise<void> {
  await mkdir(folder, { recursive: true });
  const require = createRequire(import.meta.url);
  for (const [name, file] of Object.entries(NPM_FONTS)) {
    const home = dirname(require.resolve(`${name}/package.json`));
    await copyFile(join(home, "400Regular", file), join(folder, file));
  }
  const unpacked = join(pip.scratch, "fonts");
  await unpackWheel(requirementsFile("fonts"), unpacked, pip);
  await copyFile(join(unpacked, WHEEL_FONT), join(folder, basename(WHEEL_FONT)));
  await rm(unpacked, { recursive: true });
}
