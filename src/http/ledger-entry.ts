/** What is entered into the ledger for a message, and for an execution of the direct API. */
import type { ExecutionMetering, TurnRecord } from "../agent/metering.ts";
import type { ExecutionUsage } from "../sandbox/sandbox.ts";
import type { LedgerEntry } from "../store/ledger.ts";

/** Keys are not told apart yet. */
const KEY = "default";

export function toMessageEntry(id: string, record: TurnRecord): LedgerEntry {
  const { usage, billed, executions } = record;
  const sum = (read: (execution: ExecutionMetering) => number): number =>
    executions.reduce((total, execution) => total + read(execution), 0);
  return {
    id,
    kind: "message",
    outcome: record.outcome,
    model: record.model,
    container: record.containerId ?? "",
    key: KEY,
    input_tokens: usage.inputTokens,
    cache_creation_input_tokens: usage.cacheCreationInputTokens ?? 0,
    cache_read_input_tokens: usage.cacheReadInputTokens ?? 0,
    output_tokens: usage.outputTokens,
    web_search_requests: record.web.searches,
    web_fetch_requests: record.web.fetches,
    executions: executions.length,
    code_tokens: sum(({ codeTokens }) => codeTokens),
    result_tokens: sum(({ resultTokens }) => resultTokens),
    image_tokens: sum(({ imageTokens }) => imageTokens),
    billed_input_tokens: billed.inputTokens,
    billed_output_tokens: billed.outputTokens,
    bytes_in: sum(({ bytesIn }) => bytesIn),
    bytes_out: sum(({ bytesOut }) => bytesOut),
    wall_ms: sum(({ wallMs }) => wallMs),
    cpu_ms: sum(({ cpuMs }) => cpuMs),
    peak_memory_bytes: Math.max(0, ...executions.map(({ peakMemoryBytes }) => peakMemoryBytes)),
  };
}

/** No model, no tokens: only what the sandbox spent. */
export function toExecutionEntry(
  id: string,
  container: string,
  usage: ExecutionUsage,
  bytes: { in: number; out: number },
): LedgerEntry {
  return {
    id,
    kind: "execution",
    outcome: "whole",
    model: "",
    container,
    key: KEY,
    input_tokens: 0,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: 0,
    web_search_requests: 0,
    web_fetch_requests: 0,
    executions: 1,
    code_tokens: 0,
    result_tokens: 0,
    image_tokens: 0,
    billed_input_tokens: 0,
    billed_output_tokens: 0,
    bytes_in: bytes.in,
    bytes_out: bytes.out,
    wall_ms: usage.wall_ms,
    cpu_ms: usage.cpu_ms,
    peak_memory_bytes: usage.peak_memory_bytes,
  };
}
