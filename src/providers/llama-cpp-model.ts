/**
 * The embedded model: a GGUF file run by llama.cpp inside this process, on threads of its own.
 *
 * The file is mapped, not read, so a second start finds it in the page cache. The context keeps two
 * sequences, each with the keys and values of the tokens that it has seen. A request takes the sequence
 * that shares the longest beginning with it and reads only the rest, so a second sampling of a turn and
 * a second turn of a conversation cost little, and two conversations can alternate. Reading is done in
 * small batches and the signal is looked at between them and between tokens, so an aborted generation
 * frees the engine within one batch.
 *
 * The prompt is ChatML. Its markers are real tokens only where this file puts them; in a message they
 * are the plain characters that someone typed, so nobody can end their own message and speak as the
 * system.
 */
import { getLlama, LlamaGrammarEvaluationState, LlamaLogLevel } from "node-llama-cpp";
import type { LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { createGenerationQueue } from "./generation-queue.ts";
import { toGrammarSchema } from "./grammar-schema.ts";
import { createStopScanner } from "./stop-scanner.ts";
import type { TextModel, TextModelEvent, TextModelRequest } from "./text-model.ts";

export interface EmbeddedModel extends TextModel {
  close(): Promise<void>;
}

/** What this file needs of the log. */
export interface ModelLog {
  debug(detail: Record<string, unknown>, message: string): void;
  info(detail: Record<string, unknown>, message: string): void;
}

export type EmbeddedModelConfig = Pick<
  Config,
  "embeddedModel" | "embeddedContextTokens" | "embeddedThreads" | "embeddedQueue"
>;

/** Conversations whose keys and values are kept: 28 KiB a token each for the 1.5 B model. */
const SEQUENCES = 2;
/** Tokens read between two looks at the signal: under two seconds on two slow cores. */
const READ_BATCH = 64;
/** What such a grammar allows behind the value only. */
const END_OF_JSON = "\n\n\n\n";
/** Tokens that may be waited for until their bytes make whole characters. */
const CHARACTER_TOKENS = 8;

export async function createEmbeddedModel(
  config: EmbeddedModelConfig,
  modelFile: string,
  log: ModelLog,
): Promise<EmbeddedModel> {
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    maxThreads: 0,
  });
  const threads =
    config.embeddedThreads > 0
      ? config.embeddedThreads
      : Math.min(8, Math.max(1, llama.cpuMathCores));
  const started = performance.now();
  const model = await llama.loadModel({ modelPath: modelFile, gpuLayers: 0, useMmap: true });
  const context = await model.createContext({
    contextSize: Math.min(config.embeddedContextTokens, model.trainContextSize),
    sequences: SEQUENCES,
    batchSize: READ_BATCH,
    threads,
  });
  const sequences = Array.from({ length: SEQUENCES }, () => ({
    sequence: context.getSequence(),
    usedAt: 0,
  }));
  log.info(
    { threads, contextTokens: context.contextSize, ms: Math.round(performance.now() - started) },
    "embedded model loaded",
  );

  const queue = createGenerationQueue(config.embeddedQueue);
  const closing = new AbortController();
  const tokenizer = createPromptTokenizer(model);

  async function* complete(
    request: TextModelRequest,
    callerSignal: AbortSignal,
  ): AsyncGenerator<TextModelEvent, void, undefined> {
    const signal = AbortSignal.any([callerSignal, closing.signal]);
    const prompt = tokenizer.prompt(request);
    const room = context.contextSize - prompt.length - 1;
    if (room < 1) {
      throw new GatewayError(
        "invalid_request",
        `The prompt has ${prompt.length} tokens and the embedded model's window holds ${context.contextSize}; raise CURTA_EMBEDDED_CONTEXT_TOKENS or send less.`,
      );
    }
    const leave = await queue.enter(signal);
    try {
      yield* generate(request, prompt, Math.min(room, request.maxTokens), signal);
    } finally {
      leave();
    }
  }

  async function* generate(
    request: TextModelRequest,
    prompt: Token[],
    maxTokens: number,
    signal: AbortSignal,
  ): AsyncGenerator<TextModelEvent, void, undefined> {
    const start = performance.now();
    const { sequence, reused } = await sequenceFor(prompt);
    await read(sequence, prompt.slice(reused, -1), signal);
    const readMs = performance.now() - start;

    const scanner = createStopScanner(
      request.schema === undefined ? request.stop : [...request.stop, END_OF_JSON],
    );
    const characters = createCharacterAssembler(model, prompt.slice(-CHARACTER_TOKENS));
    const tokens = sequence.evaluate(prompt.slice(-1), {
      temperature: request.temperature,
      topK: 40,
      topP: 0.95,
      seed: Math.floor(Math.random() * 2 ** 31),
      grammarEvaluationState: await grammarOf(request.schema),
    });
    let outputTokens = 0;
    let stopReason: "stop" | "max_tokens" = "stop";
    let stopped = false;
    try {
      for await (const token of tokens) {
        signal.throwIfAborted();
        outputTokens += 1;
        const { text, stop } = scanner.push(characters.push(token));
        if (text !== "") yield { text };
        signal.throwIfAborted();
        if (stop !== null) {
          stopped = true;
          break;
        }
        if (outputTokens >= maxTokens) {
          stopReason = "max_tokens";
          break;
        }
      }
    } finally {
      await tokens.return();
    }
    if (!stopped) {
      const { text, stop } = scanner.push(characters.flush());
      const rest = stop === null ? text + scanner.flush() : text;
      if (rest !== "") yield { text: rest };
    }
    const totalMs = performance.now() - start;
    log.debug(
      {
        promptTokens: prompt.length,
        reused,
        outputTokens,
        readMs: Math.round(readMs),
        writeMs: Math.round(totalMs - readMs),
      },
      "embedded generation",
    );
    yield {
      done: true,
      stopReason,
      usage: { inputTokens: prompt.length - reused, outputTokens, cacheReadInputTokens: reused },
    };
  }

  /** A schema that no grammar can be made of only stands in the prompt. */
  async function grammarOf(
    schema: Record<string, unknown> | undefined,
  ): Promise<LlamaGrammarEvaluationState | undefined> {
    if (schema === undefined) return undefined;
    try {
      const grammar = await llama.createGrammarForJsonSchema(
        toGrammarSchema(schema) as { type: "object" },
      );
      return new LlamaGrammarEvaluationState({ model, grammar });
    } catch (error) {
      log.info({ err: error }, "no grammar for the schema of an answer");
      return undefined;
    }
  }

  /**
   * The sequence with the longest common beginning, cut back to it. One that shares less than half of
   * what another conversation would lose is not taken while an older one is there to be overwritten.
   */
  async function sequenceFor(
    prompt: Token[],
  ): Promise<{ sequence: LlamaContextSequence; reused: number }> {
    const ranked = sequences
      .map((entry) => ({
        entry,
        common: entry.sequence.compareContextTokens(prompt).firstDifferentIndex,
      }))
      .toSorted((a, b) => b.common - a.common);
    const best = ranked[0]!;
    const oldest = ranked.toSorted((a, b) => a.entry.usedAt - b.entry.usedAt)[0]!;
    const wouldLose = best.entry.sequence.nextTokenIndex - best.common;
    const chosen = best.common < wouldLose / 2 ? oldest : best;
    // One token at least must be evaluated to get the next one's probabilities.
    const reused = Math.min(chosen.common, prompt.length - 1);
    const { sequence } = chosen.entry;
    if (sequence.nextTokenIndex > reused) {
      await sequence.eraseContextTokenRanges([{ start: reused, end: sequence.nextTokenIndex }]);
    }
    chosen.entry.usedAt = performance.now();
    return { sequence, reused: Math.min(reused, sequence.nextTokenIndex) };
  }

  async function close(): Promise<void> {
    closing.abort(new GatewayError("overloaded", "The server is stopping."));
    // Whoever generates now lets go within one batch; only then may the memory under it go.
    const leave = await queue.enter(new AbortController().signal);
    await context.dispose();
    await model.dispose();
    await llama.dispose();
    leave();
  }

  return {
    kind: "embedded",
    model: `qwen2.5-coder-${config.embeddedModel}-instruct`,
    contextTokens: context.contextSize,
    complete,
    countTokens: (text) => Promise.resolve(model.tokenize(text, false).length),
    close,
  };
}

async function read(
  sequence: LlamaContextSequence,
  tokens: Token[],
  signal: AbortSignal,
): Promise<void> {
  for (let index = 0; index < tokens.length; index += READ_BATCH) {
    signal.throwIfAborted();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(index, index + READ_BATCH));
  }
  signal.throwIfAborted();
}

function createPromptTokenizer(model: LlamaModel): { prompt(request: TextModelRequest): Token[] } {
  const open = model.tokenize("<|im_start|>", true);
  const end = model.tokenize("<|im_end|>", true);
  if (open.length !== 1 || end.length !== 1) {
    throw new GatewayError(
      "internal",
      "The model file's vocabulary has no ChatML markers; use the model that set-up downloads.",
    );
  }
  const newline = model.tokenize("\n", false);

  function prompt(request: TextModelRequest): Token[] {
    const tokens: Token[] = [];
    for (const message of request.messages) {
      tokens.push(
        ...open,
        ...model.tokenize(`${message.role}\n${message.content}`, false),
        ...end,
        ...newline,
      );
    }
    tokens.push(...open, ...model.tokenize(`assistant\n${request.prefix}`, false));
    return tokens;
  }

  return { prompt };
}

/** Joins tokens to text; a token may end in the middle of a character, which then waits for the next. */
function createCharacterAssembler(
  model: LlamaModel,
  context: Token[],
): { push(token: Token): string; flush(): string } {
  let before = context;
  let pending: Token[] = [];

  function push(token: Token): string {
    pending.push(token);
    const text = model.detokenize(pending, false, before);
    if (text.endsWith("\uFFFD") && pending.length < CHARACTER_TOKENS) return "";
    before = [...before, ...pending].slice(-CHARACTER_TOKENS);
    pending = [];
    return text;
  }

  function flush(): string {
    const text = pending.length === 0 ? "" : model.detokenize(pending, false, before);
    pending = [];
    return text;
  }

  return { push, flush };
}
