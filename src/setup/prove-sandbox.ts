/** Proves a finished sandbox root by using it the way sessions will, and writes down what it holds. */
import { readFileSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import type { SandboxManifest } from "../sandbox/environment.ts";
import { UNPRIVILEGED_UID } from "./bubblewrap.ts";
import { folderBytes } from "./folder.ts";
import { FONT_FAMILIES } from "./fonts.ts";
import { lastLine, run, type RunResult } from "./run.ts";
import type { Tree } from "./sandbox-tree.ts";
import type { PipContext } from "./tools.ts";

const VERIFY = fileURLToPath(new URL("../../python/setup/verify.py", import.meta.url));

const reportSchema = z.object({
  packages: z.record(z.string(), z.string()),
  fontLists: z.record(z.string().regex(/^fontlist[\w.-]*\.json$/), z.string()),
  picture: z.string(),
});

/** Imports every library and draws every script inside, then writes the manifest and matplotlib's font list. */
export async function proveSandbox(
  folder: string,
  tree: Tree,
  programs: readonly string[],
  context: PipContext & { cache: string; bubblewrap: string },
): Promise<void> {
  const step = context.reporter.step("sandbox: every library loads inside");
  const inside = (path: string): string => path.slice(tree.root.length);
  await chmod(folder, 0o755);
  const mounts = [
    "--ro-bind",
    tree.root,
    "/",
    "--tmpfs",
    "/tmp",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
  ];
  const variables = {
    PATH: "/usr/bin:/bin",
    PYTHONHOME: "/usr",
    HOME: "/tmp",
    MPLCONFIGDIR: "/tmp/matplotlib",
    PYTHONDONTWRITEBYTECODE: "1",
    PYTHONUTF8: "1",
  };
  const setenv = Object.entries(variables).flatMap(([name, value]) => ["--setenv", name, value]);
  const uid = process.getuid?.() === 0 ? UNPRIVILEGED_UID : undefined;
  const runInside = (...words: string[]): Promise<RunResult> =>
    run(
      context.bubblewrap,
      [...mounts, "--unshare-all", "--die-with-parent", "--clearenv", ...setenv, "--", ...words],
      { signal: context.signal, uid, cwd: "/" },
    );
  const result = await runInside(
    inside(tree.executable),
    "-c",
    readFileSync(VERIFY, "utf8"),
    JSON.stringify(FONT_FAMILIES),
  );
  if (result.code !== 0) throw explainProof(result.stderr, lastLine(result), context.cache);
  const shell = await runInside("/usr/bin/bash", "-c", PROVE_SHELL, "bash", ...programs);
  if (shell.code !== 0) throw explainProof(shell.stderr, lastLine(shell), context.cache);
  const report = reportSchema.parse(JSON.parse(result.stdout));
  const fontListFolder = "/usr/share/curta/matplotlib";
  for (const [name, text] of Object.entries(report.fontLists))
    await writeFile(join(tree.root, fontListFolder, name), text, { mode: 0o644 });
  await writeFile(join(folder, "scripts.png"), Buffer.from(report.picture, "base64"));
  const manifest: SandboxManifest = {
    pythonVersion: context.python.version.join("."),
    executable: inside(tree.executable),
    home: "/usr",
    sitePackages: inside(tree.site),
    libraryPath: `/${tree.libraries}`,
    fontListFolder,
    fontFamilies: [...FONT_FAMILIES],
    packages: report.packages,
    programs: [...programs],
    sizeBytes: await folderBytes(tree.root),
  };
  await writeFile(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  step.end(`${Object.keys(report.packages).length} packages`);
}

/** Every program starts, which a missing library would prevent (127), and the ones that others need work. */
const PROVE_SHELL = `
for program in "$@"; do
  if [ "$program" != yes ]; then "$program" --version </dev/null >/dev/null 2>&1; code=$?; fi
  if [ "$code" = 127 ] || [ "$code" = 126 ]; then echo "$program does not start" >&2; exit 1; fi
done
set -e -o pipefail
cd /tmp
printf 'b\na\n' | sort | sed s/a/c/ | awk '{ print $1 }' | tr -d '\n' | grep -q '^cb$'
tar czf t.tar.gz --files-from /dev/null
python3 -c 'import numpy, pandas'
`;

function explainProof(stderr: string, last: string, cache: string): GatewayError {
  if (/bwrap: .*Permission denied/i.test(stderr)) {
    return new GatewayError(
      "permission",
      `The sandbox's unprivileged user cannot enter ${cache}: set CURTA_CACHE to a folder that every user can enter, then run this again.`,
    );
  }
  return new GatewayError(
    "internal",
    `The sandbox was built but does not work (${last}): this is a fault of Curta or of this system's Python; report it with this line.`,
  );
}
