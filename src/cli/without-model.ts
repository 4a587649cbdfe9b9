/** For commands that run code and ask no model: loading one would take longer than the code. */
import { GatewayError } from "../errors.ts";
import type { Provider } from "../providers/provider.ts";

export const withoutModel: Provider = {
  kind: "none",
  model: null,
  // oxlint-disable-next-line require-yield -- there is nothing to yield
  async *stream() {
    throw refusal();
  },
  countTokens: () => Promise.reject(refusal()),
  close: async () => {},
};

function refusal(): GatewayError {
  return new GatewayError(
    "invalid_request",
    "This process runs code only; `curta serve` has a model.",
  );
}
