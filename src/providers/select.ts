/**
 * Which model answers: the configured server, else a running Ollama, else the embedded model.
 *
 * `ANTHROPIC_BASE_URL` is never looked at: the user's own client may point it at Curta.
 */
import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { createAnthropicProvider } from "./anthropic.ts";
import { OLLAMA_URL, findOllamaModel } from "./ollama.ts";
import { createOpenAiProvider } from "./openai-compatible.ts";
import type { Provider } from "./provider.ts";
import type { TextModel } from "./text-model.ts";
import type { ProviderLog, UpstreamOptions } from "./upstream.ts";

export interface ProviderEnvironment {
  /** The embedded model's file, when set-up has made it. */
  modelFile: string | null;
  /** Where to look for Ollama. */
  ollamaUrl?: string;
}

export async function createProvider(
  config: Config,
  environment: ProviderEnvironment,
  log: ProviderLog,
): Promise<Provider> {
  const { upstreamUrl: url, upstreamKey: key, upstreamApi, model } = config;
  if (url !== "") {
    log.info(
      { url: withoutSecrets(url), api: upstreamApi, model: model || "as the client names it" },
      "The model is a server's.",
    );
    const options = optionsOf(config, { url, key, model }, log);
    return upstreamApi === "anthropic"
      ? createAnthropicProvider(options)
      : createOpenAiProvider({ ...options, createHarness });
  }
  if (key !== "") {
    throw new GatewayError(
      "invalid_request",
      "CURTA_UPSTREAM_KEY is set but CURTA_UPSTREAM_URL is not; set the address that the key is for, or neither.",
    );
  }
  const ollamaUrl = environment.ollamaUrl ?? OLLAMA_URL;
  const found = await findOllamaModel(ollamaUrl, model);
  if (found !== null) {
    const how = found.canCallTools
      ? "it calls tools"
      : "it calls no tools and is driven through its text";
    log.info(
      { url: ollamaUrl, model: found.name },
      `The model is ${found.name} of the running Ollama; ${how}. CURTA_MODEL chooses another.`,
    );
    return createOpenAiProvider({
      ...optionsOf(config, { url: ollamaUrl, key: "", model: found.name }, log),
      createHarness,
    });
  }
  if (model !== "") {
    throw new GatewayError(
      "invalid_request",
      `CURTA_MODEL is "${model}", but CURTA_UPSTREAM_URL is not set and no Ollama with models runs on this machine.`,
    );
  }
  if (environment.modelFile === null) {
    throw new GatewayError(
      "invalid_request",
      "There is no model: set CURTA_UPSTREAM_URL, start Ollama, or let `npm start` fetch the embedded one.",
    );
  }
  // Imported here, so that the native library is loaded only when it is needed.
  const { createLlamaCppProvider } = await import("./llama-cpp.ts");
  return await createLlamaCppProvider(config, environment.modelFile, log);
}

async function createHarness(model: TextModel): Promise<Provider> {
  const { createHarnessProvider } = await import("./harness/harness.ts");
  return createHarnessProvider(model);
}

function optionsOf(
  config: Config,
  server: { url: string; key: string; model: string },
  log: ProviderLog,
): UpstreamOptions {
  return {
    ...server,
    timeoutSeconds: config.upstreamTimeoutSeconds,
    retries: config.upstreamRetries,
    log,
  };
}

function withoutSecrets(url: string): string {
  return URL.canParse(url) ? new URL(url).origin + new URL(url).pathname : "(not a URL)";
}
