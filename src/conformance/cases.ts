/** Every case, in the order of the groups. */
import { GROUPS, type Case } from "./case.ts";
import { batchCases } from "./cases/batches.ts";
import { clientCases } from "./cases/clients.ts";
import { codeCases } from "./cases/code.ts";
import { containerCases } from "./cases/containers.ts";
import { errorCases } from "./cases/errors.ts";
import { fileCases } from "./cases/files.ts";
import { headerCases } from "./cases/headers.ts";
import { historyCases } from "./cases/history.ts";
import { messageCases } from "./cases/messages.ts";
import { mixedCases } from "./cases/mixed.ts";
import { modelCases } from "./cases/models.ts";
import { programmaticCases } from "./cases/programmatic.ts";
import { streamCases } from "./cases/streams.ts";
import { webCases } from "./cases/web.ts";

export const CASES: readonly Case[] = [
  ...headerCases,
  ...errorCases,
  ...messageCases,
  ...streamCases,
  ...codeCases,
  ...programmaticCases,
  ...mixedCases,
  ...containerCases,
  ...historyCases,
  ...fileCases,
  ...modelCases,
  ...batchCases,
  ...webCases,
  ...clientCases,
].toSorted((left, right) => GROUPS.indexOf(left.group) - GROUPS.indexOf(right.group));

/** Cases whose name begins with one of the words, or whose group is one of them; without any, all. */
export function chooseCases(words: readonly string[]): Case[] {
  if (words.length === 0) return [...CASES];
  return CASES.filter(({ name, group }) =>
    words.some((word) => group === word || name === word || name.startsWith(`${word}/`)),
  );
}
