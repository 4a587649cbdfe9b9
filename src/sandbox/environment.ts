/** What set-up has made and a sandbox is built from. */
import { z } from "zod";

/** Content of `manifest.json` in the sandbox folder. Paths are as seen inside the sandbox. */
export const sandboxManifestSchema = z.object({
  /** `3.12.4` */
  pythonVersion: z.string(),
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
  /** What a shell command can call, by name. */
  programs: z.array(z.string()),
  sizeBytes: z.number(),
});

export type SandboxManifest = z.infer<typeof sandboxManifestSchema>;

export interface Environment {
  /** Holds `root/`, the file system of the sandbox, and `manifest.json`. */
  sandboxFolder: string;
  manifest: SandboxManifest;
  /** The program, on the host. */
  bubblewrap: string;
  /** The embedded model, or null when an upstream is configured and it was never fetched. */
  modelFile: string | null;
}
