/**
 * The npm packages, and with them Node 24: what every other script begins with.
 *
 * Plain JavaScript with built-in modules only, for it runs on whatever Node (20 or newer) the machine has,
 * before anything is installed. Install scripts never run: the packages that Curta uses bring their
 * binaries along, and one of them would otherwise compile for minutes.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

const MODULES = join(ROOT, "node_modules");
const STAMP = join(MODULES, ".curta-packages");
const LOCK = join(ROOT, ".npm-ci.lock");
/** Named directly: of two packages that offer `node`, npm 10 links none into `.bin`. */
const OWN_NODE = join(MODULES, `node-linux-${process.arch}`, "bin", "node");

/** Installs the packages when the lock file changed; returns the path of Node 24. */
export async function ensurePackages() {
  // Both belong to whoever made the link: several worktrees may share one folder.
  const linked = existsSync(MODULES) && lstatSync(MODULES).isSymbolicLink();
  if (!linked && !isInstalled()) await withLock(install);
  if (existsSync(OWN_NODE)) return OWN_NODE;
  if (Number(process.versions.node.split(".")[0]) >= 24) return process.execPath;
  fail(
    `Curta brings its own Node 24 for Linux on x86_64 and aarch64, and this is ${process.platform} on ${process.arch}: ` +
      "run it in WSL2, a Linux virtual machine or a container.",
  );
}

/** Runs a program to its end with our terminal, handing signals on. Resolves with its exit code. */
export function runProgram(command, args, options = {}) {
  return new Promise((resolve) => {
    const PATH = [dirname(OWN_NODE), join(MODULES, ".bin"), process.env.PATH].join(delimiter);
    const env = { ...process.env, PATH };
    const child = spawn(command, args, {
      cwd: options.cwd ?? ROOT,
      stdio: options.stdio ?? "inherit",
      env,
    });
    const pass = (signal) => child.kill(signal);
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, pass);
    const finish = (code) => {
      for (const signal of signals) process.off(signal, pass);
      resolve(code);
    };
    child.on("error", (error) => {
      console.error(`Could not start ${command}: ${error.message}.`);
      finish(127);
    });
    child.on("exit", (code, signal) => finish(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}

function fingerprint() {
  return createHash("sha256")
    .update(readFileSync(join(ROOT, "package-lock.json")))
    .update(process.arch)
    .digest("hex");
}

function isInstalled() {
  return existsSync(STAMP) && readFileSync(STAMP, "utf8") === fingerprint();
}

function install() {
  // Another start may have installed them while this one waited.
  if (isInstalled()) return;
  console.error("Installing npm packages …");
  const script = process.env.npm_execpath;
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  // The npm that started us, if one did: its settings are the user's.
  const [command, ...rest] = script?.endsWith("npm-cli.js")
    ? [process.execPath, script, ...args]
    : ["npm", ...args];
  const { status, error } = spawnSync(command, rest, {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (error)
    fail(`Could not run npm (${error.message}): install Node.js with npm, then run this again.`);
  if (status !== 0)
    fail(
      "Could not install the npm packages (npm's own message is above): check the network, npm's registry setting and the room on the disk, then run this again.",
    );
  writeFileSync(STAMP, fingerprint());
}

/** One installation at a time in this checkout; a lock whose process is gone is taken over. */
async function withLock(work) {
  for (let announced = false; !tryLock(); announced = true) {
    if (!announced) console.error("Another start is installing the npm packages; waiting for it.");
    await delay(300);
  }
  try {
    work();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function tryLock() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST")
      fail(
        `Could not write to ${ROOT} (${error.message}): make the checkout yours, then run this again.`,
      );
  }
  try {
    process.kill(Number(readFileSync(LOCK, "utf8")) || process.pid, 0);
  } catch (error) {
    if (error.code === "ESRCH") rmSync(LOCK, { force: true });
  }
  return false;
}

/** @returns {never} */
function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
