/** A running Ollama: whether there is one, and which of its models to take. */
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import { createTransport } from "./transport.ts";
import type { Transport } from "./transport.ts";

export const OLLAMA_URL = "http://127.0.0.1:11434";

/** Ollama answers in a millisecond; a port where something else hangs must not delay the start. */
const PROBE_MS = 300;
const SHOW_MS = 2_000;
/** Models that are looked at, in Ollama's order (latest first). */
const MAX_LOOKED_AT = 20;

export interface OllamaModel {
  name: string;
  canCallTools: boolean;
}

const tagsSchema = z.looseObject({
  models: z.array(z.looseObject({ name: z.string(), remote_host: z.string().nullish() })).nullish(),
});
const showSchema = z.looseObject({ capabilities: z.array(z.string()).nullish() });

/**
 * The model to use of a running Ollama, or null when none runs or it has no model. `wanted` is taken if it
 * is not empty. Else the first model that can call tools, else the first that can chat; models that
 * Ollama only forwards to another host are left out, since nobody asked for data to leave the machine.
 */
export async function findOllamaModel(url: string, wanted: string): Promise<OllamaModel | null> {
  const transport = createTransport(SHOW_MS);
  try {
    const tags = tagsSchema.safeParse(
      await ask(transport, new URL("/api/tags", url), null, PROBE_MS),
    );
    const models = tags.data?.models ?? [];
    if (models.length === 0) return null;
    if (wanted !== "") {
      const model = models.find(({ name }) => name === wanted || name === `${wanted}:latest`);
      if (model === undefined) {
        throw new GatewayError(
          "invalid_request",
          `CURTA_MODEL is "${wanted}", which the running Ollama does not have; \`ollama pull ${wanted}\` gets it.`,
        );
      }
      const abilities = await abilitiesOf(transport, url, model.name);
      return { name: model.name, canCallTools: abilities?.includes("tools") ?? true };
    }
    let chat: OllamaModel | null = null;
    for (const { name } of models
      .filter(({ remote_host }) => !remote_host)
      .slice(0, MAX_LOOKED_AT)) {
      const abilities = await abilitiesOf(transport, url, name);
      // Versions before 0.6.4 do not tell; asking with tools will show it.
      if (abilities === null || abilities.includes("tools")) return { name, canCallTools: true };
      if (abilities.includes("completion")) chat ??= { name, canCallTools: false };
    }
    return chat;
  } finally {
    transport.close();
  }
}

async function abilitiesOf(
  transport: Transport,
  url: string,
  model: string,
): Promise<string[] | null> {
  const show = showSchema.safeParse(
    await ask(transport, new URL("/api/show", url), { model }, SHOW_MS),
  );
  return show.data?.capabilities ?? null;
}

/** The JSON answer, or null for anything else; a probe must not fail. */
async function ask(
  transport: Transport,
  url: URL,
  body: object | null,
  withinMs: number,
): Promise<unknown> {
  const signal = AbortSignal.timeout(withinMs);
  try {
    const response = await transport.send(
      url,
      body === null ? { method: "GET" } : { method: "POST", body: JSON.stringify(body) },
      signal,
    );
    const text = await response.text(4 * 1024 * 1024);
    return response.status === 200 ? JSON.parse(text) : null;
  } catch {
    return null; // No Ollama there, or something that is not one.
  }
}
