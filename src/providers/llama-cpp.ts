/** The embedded model as a provider: llama.cpp underneath, the harness on top. */
import { createHarnessProvider } from "./harness/harness.ts";
import { createEmbeddedModel, type EmbeddedModelConfig, type ModelLog } from "./llama-cpp-model.ts";
import type { Provider } from "./provider.ts";

export async function createLlamaCppProvider(
  config: EmbeddedModelConfig,
  modelFile: string,
  log: ModelLog,
): Promise<Provider> {
  const model = await createEmbeddedModel(config, modelFile, log);
  return createHarnessProvider(model, () => model.close());
}
