/** Every setting of `config.ts` as a flag of a command. */
import type { Command } from "commander";
import { Option } from "commander";

import { SETTING_NAMES, describeConfig, findUnknownVariables, loadConfig } from "../config.ts";
import type { Config, SettingName } from "../config.ts";
import type { Io } from "./io.ts";

export type Flags = Partial<Record<SettingName, unknown>>;

/** No such folder can be, so no config file is read: these are the settings as they come. */
const NO_FOLDER = "/dev/null";

/** Defaults that depend on the machine and its user, in words. */
const PLATFORM_DEFAULTS: Partial<Record<SettingName, string>> = {
  data: "the platform's data folder, /var/lib/curta for root",
  cache: "the platform's cache folder, /var/cache/curta for root",
};

export interface SettingText {
  name: SettingName;
  flag: string;
  variable: string;
  fallback: string;
  why: string;
}

/** The same on every machine. */
export function listSettings(): SettingText[] {
  return describeConfig({ env: {}, flags: { data: NO_FOLDER } }).map(
    ({ name, flag, variable, fallback, why }) => ({
      name,
      flag,
      variable,
      fallback: PLATFORM_DEFAULTS[name] ?? fallback,
      why,
    }),
  );
}

/** All of them with `showAll`. There are too many for the help of a command that is about something else. */
export function addSettingFlags(command: Command, { showAll }: { showAll: boolean }): void {
  const own = new Set(command.options.map(({ long }) => long));
  if (showAll) command.optionsGroup("Settings (each also as a variable, see `curta config`):");
  else
    command.addHelpText(
      "after",
      "\nEvery setting is a flag, too, such as --port 8080: `curta serve --help` lists them.",
    );
  for (const { flag, why, fallback } of listSettings()) {
    if (own.has(flag)) continue;
    const text = fallback === "" ? why : `${why} (default: ${fallback})`;
    command.addOption(new Option(`${flag} <value>`, text).hideHelp(!showAll));
  }
}

/** A misspelt variable would otherwise be found by nobody. */
export function warnOfUnknownVariables({ env, stderr }: Pick<Io, "env" | "stderr">): void {
  for (const name of findUnknownVariables(env)) {
    stderr.write(
      `curta: ${name} is not a setting and has no effect; \`curta config\` lists the settings.\n`,
    );
  }
}

/** Settings among a command's options, which commander names as the settings are. */
export function toFlags(options: Record<string, unknown>): Flags {
  return Object.fromEntries(
    SETTING_NAMES.filter((name) => options[name] !== undefined).map((name) => [
      name,
      options[name],
    ]),
  );
}

export function readConfig(options: Record<string, unknown>, io: Io): Config {
  return loadConfig({ env: io.env, flags: toFlags(options) });
}
