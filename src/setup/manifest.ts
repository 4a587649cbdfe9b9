/** What a finished sandbox root says of itself: `manifest.json` beside `root/`. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const manifestSchema = z.object({
  /** `3.12.4` */
  pythonVersion: z.string(),
  /** As seen inside, like every path here. */
  executable: z.string(),
  /** For PYTHONHOME. */
  home: z.string(),
  sitePackages: z.string(),
  /** Folder of the shared libraries. */
  libraryPath: z.string(),
  /** Folder with matplotlib's `fontlist-*.json`, made for these fonts. */
  fontListFolder: z.string(),
  /** For matplotlib's `font.family`, in the order in which glyphs are looked for. */
  fontFamilies: z.array(z.string()),
  packages: z.record(z.string(), z.string()),
  sizeBytes: z.number(),
});

export type SandboxManifest = z.infer<typeof manifestSchema>;

export interface SandboxFolder {
  /** Holds `root/`, the sandbox's file system, and `manifest.json`. */
  folder: string;
  manifest: SandboxManifest;
}

/** The finished folder whose name begins with `key`; the newest Python's when there are several. */
export function locateSandbox(cache: string, key: string): SandboxFolder | null {
  const home = join(cache, "sandbox");
  if (!existsSync(home)) return null;
  const names = readdirSync(home).filter((name) => name.startsWith(`${key}-`) && !name.endsWith(".building"));
  const byVersion = new Intl.Collator("en", { numeric: true });
  const [newest] = names.toSorted((one, other) => byVersion.compare(other, one));
  if (newest === undefined) return null;
  const folder = join(home, newest);
  return { folder, manifest: manifestSchema.parse(JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"))) };
}
