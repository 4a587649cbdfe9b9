/** Where things are in a sandbox root that is being built. */
import { join } from "node:path";

import { pythonName } from "./python.ts";
import type { Python } from "./python.ts";

export interface Tree {
  root: string;
  executable: string;
  /** Absolute on the host. */
  standardLibrary: string;
  site: string;
  /** Below the root. */
  libraries: string;
}

export function treeOf(python: Python, root: string): Tree {
  const standardLibrary = join(root, "usr", python.platformFolder, pythonName(python));
  return {
    root,
    executable: join(root, "usr/bin", pythonName(python)),
    standardLibrary,
    site: join(standardLibrary, python.packagesFolder),
    libraries: join("usr/lib", python.multiarch),
  };
}
