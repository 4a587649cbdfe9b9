/** Finds finished sandbox folders. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { sandboxManifestSchema } from "../sandbox/environment.ts";
import type { SandboxManifest } from "../sandbox/environment.ts";

export interface SandboxFolder {
  /** Holds `root/`, the sandbox's file system, and `manifest.json`. */
  folder: string;
  manifest: SandboxManifest;
}

/** The finished folder whose name begins with `key`; the newest Python's when there are several. */
export function locateSandbox(cache: string, key: string): SandboxFolder | null {
  const home = join(cache, "sandbox");
  if (!existsSync(home)) return null;
  const names = readdirSync(home).filter(
    (name) => name.startsWith(`${key}-`) && !name.endsWith(".building"),
  );
  const byVersion = new Intl.Collator("en", { numeric: true });
  const [newest] = names.toSorted((one, other) => byVersion.compare(other, one));
  if (newest === undefined) return null;
  const folder = join(home, newest);
  return {
    folder,
    manifest: sandboxManifestSchema.parse(
      JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")),
    ),
  };
}
