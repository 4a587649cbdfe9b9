/**
 * Makes a provider of a model that can only continue text, and that may be small.
 *
 * The harness plugs into the ordinary agent loop and keeps no state: each sampling looks at the history and
 * does one thing. It writes a program (one sentence of plan, which becomes the thinking block, then a reply
 * that is begun for the model with a Python fence and the lines that load its data), or writes another one
 * after a failure, or answers in words from what a program printed. What the user asked for is checked
 * after each run: an error, silence, or a missing chart means another program. The first repair is greedy
 * and is shown the failing line; a second greedy one would repeat the same program, so later ones are fresh
 * samples at a higher temperature. In the closing words every sentence's numbers are checked against the
 * output; where the check fails, the output itself is quoted instead.
 *
 * A request that asks for a search is searched for first, and what was found is the program's data
 * (`search-first.ts`). Other tools cannot be called through it; they are left out. Images in messages are
 * not seen, which the model is told. Stop sequences end words, not programs.
 */
import { randomUUID } from "node:crypto";

import type {
  ModelEvent,
  ModelRequest,
  ModelStopReason,
  ModelUsage,
  Provider,
} from "../provider.ts";
import { createStopScanner } from "../stop-scanner.ts";
import type { TextModel, TextModelRequest } from "../text-model.ts";
import { CODE_TOOL, toExchanges, type Exchange, type Step } from "./conversation.ts";
import { decide, wantsChart, wantsResults } from "./decide.ts";
import { createNumberCheck } from "./numbers.ts";
import { findPastedData } from "./pasted-data.ts";
import { findProblem, isTableError, resumeAfter, type Resumption, type Wants } from "./problem.ts";
import { SEARCH_TOOL, findFoundData, toQuery, wantsSearch, type Found } from "./search-first.ts";
import { findMasks } from "./masks.ts";
import { modernizeLine } from "./modernize.ts";
import { completeProgram, isRepeating } from "./program-text.ts";
import { openProgram, type Opening } from "./program-opening.ts";
import {
  buildPrompt,
  cutMiddle,
  describeOutput,
  describeProgram,
  toStepMessages,
  type Tail,
} from "./prompt.ts";

/** Programs written for one request before the answer says that it did not work. */
const PROGRAMS_MAX = 5;
const PLAN_TOKENS = 60;
const PLAN_BEGINNING = "I will";
const ROUNDS_MAX = 5;
const PROGRAM_TOKENS = 1200;
const ANSWER_TOKENS = 700;
/** Room kept for the reply when the conversation is fitted into the window. */
const RESERVE_TOKENS = 1024;
const FRESH_TEMPERATURES = [0.6, 0.8, 1];
const QUOTE_CHARACTERS = 3000;

type Move =
  | "search"
  | "nothing-found"
  | "peek"
  | "program"
  | "repair"
  | "resample"
  | "answer"
  | "words";

interface Sampling {
  model: TextModel;
  request: ModelRequest;
  signal: AbortSignal;
  usage: ModelUsage;
}

interface Work {
  exchanges: Exchange[];
  exchange: Exchange;
  opening: Opening;
  /** Programs that the model wrote; without the look into the data. */
  attempts: Step[];
  peeked: Step | undefined;
  wants: Wants;
  found: Found | null;
  /** Something to work on, from the user or from a search. */
  hasData: boolean;
}

export function createHarnessProvider(
  model: TextModel,
  close: () => Promise<void> = async () => {},
): Provider {
  return {
    kind: model.kind,
    model: model.model,
    stream: (request, signal) =>
      sample({ model, request, signal, usage: { inputTokens: 0, outputTokens: 0 } }),
    async countTokens(request) {
      return (await buildPrompt(model, request, toExchanges(request), [], 0)).tokens;
    },
    // Prompt and reply share the window.
    listModels: () =>
      Promise.resolve([
        { id: model.model, maxInputTokens: model.contextTokens, maxTokens: model.contextTokens },
      ]),
    close,
  };
}

async function* sample(sampling: Sampling): AsyncGenerator<ModelEvent, void, undefined> {
  const work = lookAt(sampling.request);
  const prompt = await buildPrompt(
    sampling.model,
    sampling.request,
    work.exchanges,
    [],
    reserve(sampling),
  );
  yield {
    type: "start",
    model: sampling.model.model,
    usage: { inputTokens: prompt.tokens, outputTokens: 0 },
  };
  const move = await nextMove(sampling, work);
  const end = yield* act(sampling, work, move);
  yield {
    type: "end",
    ...end,
    usage: { ...sampling.usage, inputTokens: Math.max(prompt.tokens, sampling.usage.inputTokens) },
  };
}

function act(
  sampling: Sampling,
  work: Work,
  move: Move,
): AsyncGenerator<ModelEvent, End, undefined> {
  switch (move) {
    case "search":
      return search(work);
    case "nothing-found":
      return sayNothingFound(work);
    case "words":
    case "answer":
      return speak(sampling, work, move);
    default:
      return writeProgram(sampling, work, move);
  }
}

function lookAt(request: ModelRequest): Work {
  const exchanges = toExchanges(request);
  const exchange = exchanges.at(-1)!;
  const attachments =
    exchanges.findLast((candidate) => candidate.attachments.length > 0)?.attachments ?? [];
  const pasted =
    exchanges
      .map((candidate) => findPastedData(candidate.request))
      .findLast((data) => data !== null) ?? null;
  const found = pasted === null ? findFoundData(exchange.searches) : null;
  const rows = pasted?.kind === "table" ? pasted.table.rows.length : 1;
  const wants: Wants = {
    chart: wantsChart(exchange.request),
    results: wantsResults(exchange.request),
    masks: findMasks(exchange.request).map((mask) => ({ mask, count: rows })),
  };
  const opening = openProgram({
    attachments,
    pasted: pasted ?? found?.data ?? null,
    wantsChart: wants.chart,
    isTolerant: exchange.steps.some(isTableError),
    task: pasted === null ? exchange.request : exchange.request.replace(pasted.source, ""),
  });
  const peeked = exchange.steps.find(
    (step) =>
      opening.peek !== null && step.code.endsWith(opening.peek) && step === exchange.steps[0],
  );
  return {
    exchanges,
    exchange,
    opening,
    attempts: exchange.steps.filter((step) => step !== peeked),
    peeked,
    wants,
    found,
    hasData: attachments.length > 0 || pasted !== null || found !== null,
  };
}

async function nextMove(sampling: Sampling, work: Work): Promise<Move> {
  const { exchange, attempts } = work;
  if (wantsSearch(sampling.request, exchange)) return "search";
  if (exchange.searches.length > 0 && !work.hasData) return "nothing-found";
  const decision = decide(sampling.request, exchange);
  const last = attempts.at(-1);
  if (decision === "words") return last === undefined ? "words" : "answer";
  if (last === undefined) {
    if (exchange.answer !== "") return "words";
    if (
      work.peeked === undefined &&
      decision === "ask" &&
      !(await modelWantsProgram(sampling, work))
    )
      return "words";
    return work.opening.peek !== null && work.peeked === undefined ? "peek" : "program";
  }
  if (findProblem(last, work.wants) === null || attempts.length >= PROGRAMS_MAX) return "answer";
  return attempts.length % 2 === 1 ? "repair" : "resample";
}

// oxlint-disable-next-line require-await -- a generator like its siblings, with nothing to wait for
async function* search({ exchange }: Work): AsyncGenerator<ModelEvent, End, undefined> {
  const id = `toolu_${randomUUID().replaceAll("-", "")}`;
  yield { type: "tool-use-start", id, name: SEARCH_TOOL };
  yield {
    type: "tool-use-delta",
    partialJson: JSON.stringify({ query: toQuery(exchange.request) }),
  };
  yield { type: "block-end" };
  return { stopReason: "tool_use", stopSequence: null };
}

/** Without data a small model would make the figures up. */
// oxlint-disable-next-line require-await -- a generator like its siblings, with nothing to wait for
async function* sayNothingFound({ exchange }: Work): AsyncGenerator<ModelEvent, End, undefined> {
  const last = exchange.searches.at(-1);
  const reason = last?.isError === true ? `failed: ${last.text}` : "found nothing.";
  yield { type: "text-start" };
  yield { type: "text-delta", text: `The search for "${last?.query ?? ""}" ${reason}` };
  yield { type: "block-end" };
  return { stopReason: "end_turn", stopSequence: null };
}

/** The model's own word on whether its Python is needed, for requests whose wording does not tell. */
async function modelWantsProgram(sampling: Sampling, work: Work): Promise<boolean> {
  const { messages } = await buildPrompt(
    sampling.model,
    sampling.request,
    work.exchanges,
    [],
    reserve(sampling),
  );
  const answer = await collect(
    generate(sampling, {
      messages,
      prefix: "Is a calculation, data or a chart needed to answer this (yes or no)? ",
      stop: ["\n"],
      maxTokens: 2,
      temperature: 0,
    }),
  );
  return /^\W*yes/i.test(answer);
}

interface End {
  stopReason: ModelStopReason;
  stopSequence: string | null;
}

async function* writeProgram(
  sampling: Sampling,
  work: Work,
  move: Move,
): AsyncGenerator<ModelEvent, End, undefined> {
  const { attempts, opening, exchange, peeked, wants } = work;
  const tail: Tail = peeked === undefined ? [] : toStepMessages(peeked);
  const { messages } = await buildPrompt(
    sampling.model,
    sampling.request,
    work.exchanges,
    tail,
    reserve(sampling),
  );

  let thought = exchange.steps[0]?.thought ?? "";
  if (exchange.steps.length === 0) {
    yield { type: "thinking-start" };
    const limit = Math.min(PLAN_TOKENS, left(sampling));
    const plan = {
      messages,
      prefix: PLAN_BEGINNING,
      stop: ["\n", "```"],
      maxTokens: limit,
      temperature: 0,
    };
    thought = PLAN_BEGINNING + (await collect(generate(sampling, plan))).trimEnd();
    yield { type: "thinking-delta", thinking: thought };
    yield { type: "block-end" };
    if (left(sampling) <= 0) return { stopReason: "max_tokens", stopSequence: null };
  }

  const last = attempts.at(-1);
  const resumption =
    move === "repair" && last !== undefined ? resumeAfter(last, opening.code, wants) : null;
  const begun = resumption?.code ?? opening.code;
  const id = `toolu_${randomUUID().replaceAll("-", "")}`;
  yield { type: "tool-use-start", id, name: CODE_TOOL };
  yield { type: "tool-use-delta", partialJson: `{"code":"${toJsonText(begun)}` };
  let isCut = false;
  if (move === "peek") {
    yield { type: "tool-use-delta", partialJson: toJsonText(opening.peek ?? "") };
  } else {
    const temperature = resumption === null ? freshTemperature(work) : 0;
    const prefix = `${thought === "" ? "" : `${thought}\n\n`}\`\`\`python\n${begun}`;
    isCut = yield* writeCode(sampling, work, { messages, prefix, temperature, resumption });
  }
  yield { type: "tool-use-delta", partialJson: '"}' };
  yield { type: "block-end" };
  return { stopReason: isCut ? "max_tokens" : "tool_use", stopSequence: null };
}

/** Greedy for the first program with these opening lines; the same prompt again would give the same program. */
function freshTemperature({ attempts, opening }: Work): number {
  const same = attempts.filter((step) => step.code.startsWith(opening.code)).length;
  return same === 0 ? 0 : (FRESH_TEMPERATURES[Math.floor((same - 1) / 2)] ?? 1);
}

interface Writing extends Pick<TextModelRequest, "messages" | "prefix" | "temperature"> {
  resumption: Resumption | null;
}

/** Streams the program line by line; gives whether the request's token limit cut it off. */
async function* writeCode(
  sampling: Sampling,
  work: Work,
  { messages, prefix, temperature, resumption }: Writing,
): AsyncGenerator<ModelEvent, boolean, undefined> {
  const failed = resumption?.failed?.trim();
  const kept = (resumption?.code ?? work.opening.code).slice(work.opening.code.length);
  const warmer = FRESH_TEMPERATURES.filter((candidate) => candidate > temperature);
  let heat = temperature;
  let code = "";
  let isComplete = false;
  // Each round ends the program, or goes on after what the model forgot or may not write again.
  for (let round = 0; round < ROUNDS_MAX && !isComplete; round += 1) {
    const maxTokens = Math.min(PROGRAM_TOKENS, left(sampling));
    if (maxTokens <= 0) return true;
    let isRefused = false;
    const request = {
      messages,
      prefix: prefix + code,
      stop: ["```"],
      maxTokens,
      temperature: heat,
    };
    for await (const line of toLines(generate(sampling, request))) {
      isRefused = failed !== undefined && line.trim() === failed && warmer.length > 0;
      if (isRefused) break;
      const modern = modernizeLine(line);
      code += modern;
      yield { type: "tool-use-delta", partialJson: toJsonText(modern) };
      if (isRepeating(code)) return false;
    }
    if (left(sampling) <= 0) return true;
    heat = isRefused ? (warmer.shift() ?? 1) : temperature;
    if (isRefused) continue;
    const continuation = completeProgram(kept + code, work.wants);
    isComplete = continuation === "";
    code += continuation;
    yield { type: "tool-use-delta", partialJson: toJsonText(continuation) };
  }
  return false;
}

/** Whole lines with their ends, the last one as it is. */
async function* toLines(pieces: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let held = "";
  for await (const piece of pieces) {
    held += piece;
    const end = held.lastIndexOf("\n") + 1;
    if (end === 0) continue;
    yield* held.slice(0, end).split(/(?<=\n)/);
    held = held.slice(end);
  }
  if (held !== "") yield held;
}

async function* speak(
  sampling: Sampling,
  work: Work,
  move: Move,
): AsyncGenerator<ModelEvent, End, undefined> {
  const { exchange, attempts } = work;
  const { answerSchema: schema } = sampling.request;
  const step = attempts.findLast((candidate) => !candidate.isError) ?? attempts.at(-1);
  const tail: Tail =
    move === "answer" && step !== undefined
      ? toAnswerMessages(step, work, schema !== undefined)
      : [];
  const { messages } = await buildPrompt(
    sampling.model,
    sampling.request,
    work.exchanges,
    tail,
    reserve(sampling),
  );
  const scanner = createStopScanner(sampling.request.stopSequences);
  const isShort = move === "answer" && schema === undefined;
  const limit = Math.min(left(sampling), isShort ? ANSWER_TOKENS : left(sampling));
  const pieces = generate(sampling, {
    messages,
    prefix: exchange.answer,
    stop: [],
    maxTokens: limit,
    temperature: Math.min(sampling.request.temperature ?? 0, 0.7),
    ...(exchange.answer === "" && { schema }),
  });
  const spoken = isShort && step !== undefined ? checkNumbers(pieces, step, exchange) : pieces;
  yield { type: "text-start" };
  let stopSequence: string | null = null;
  for await (const piece of spoken) {
    const { text, stop } = scanner.push(piece);
    if (text !== "") yield { type: "text-delta", text };
    if (stop !== null) {
      stopSequence = stop;
      break;
    }
  }
  if (stopSequence === null) {
    const rest = scanner.flush();
    if (rest !== "") yield { type: "text-delta", text: rest };
    const { found } = work;
    if (found !== null && schema === undefined)
      yield {
        type: "text-delta",
        text: `\n\nSource: ${found.source.title} [${found.source.number}]`,
      };
  }
  yield { type: "block-end" };
  if (stopSequence !== null) return { stopReason: "stop_sequence", stopSequence };
  return { stopReason: left(sampling) <= 0 ? "max_tokens" : "end_turn", stopSequence: null };
}

function toAnswerMessages(step: Step, work: Work, isJson: boolean): Tail {
  const problem = findProblem(step, work.wants);
  const instruction = isJson
    ? "Now give my answer as the JSON that I asked for, with the numbers exactly as printed."
    : problem === null
      ? "Now answer my request in one to three short sentences, with the numbers exactly as printed. No code, no explanation of the program."
      : `${problem}\nSay in one or two sentences what was found and what did not work. No code.`;
  return [
    { role: "assistant", content: describeProgram(step) },
    { role: "user", content: `${step.isError ? "" : `${describeOutput(step)}\n\n`}${instruction}` },
  ];
}

/** Passes on sentence by sentence what agrees with the output; at the first that does not, quotes the output and ends. */
async function* checkNumbers(
  pieces: AsyncGenerator<string, void, undefined>,
  step: Step,
  exchange: Exchange,
): AsyncGenerator<string, void, undefined> {
  const output = step.output ?? "";
  const check = createNumberCheck(output, exchange.request);
  let held = "";
  let said = false;
  for await (const piece of pieces) {
    held += piece;
    for (let end = endOfSentence(held); end > 0; end = endOfSentence(held)) {
      const sentence = held.slice(0, end);
      if (!check.passes(sentence)) return yield* quote(output, said);
      held = held.slice(end);
      said = true;
      yield sentence;
    }
  }
  if (check.passes(held)) yield held;
  else yield* quote(output, said);
}

function endOfSentence(text: string): number {
  const match = /\n|[.!?。؟](?=\s)/u.exec(text);
  return match === null ? 0 : match.index + match[0].length;
}

function* quote(output: string, said: boolean): Generator<string, void, undefined> {
  if (output !== "")
    yield `${said ? "\n\n" : ""}\`\`\`\n${cutMiddle(output, QUOTE_CHARACTERS)}\n\`\`\``;
}

async function* generate(
  sampling: Sampling,
  request: TextModelRequest,
): AsyncGenerator<string, void, undefined> {
  for await (const event of sampling.model.complete(request, sampling.signal)) {
    if (event.done === undefined) {
      yield event.text;
      continue;
    }
    const { inputTokens, outputTokens, cacheReadInputTokens = 0 } = event.usage;
    sampling.usage.inputTokens = Math.max(
      sampling.usage.inputTokens,
      inputTokens + cacheReadInputTokens,
    );
    sampling.usage.outputTokens += outputTokens;
  }
}

async function collect(pieces: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
}

function left({ request, usage }: Sampling): number {
  return request.maxTokens - usage.outputTokens;
}

function reserve({ model, request }: Sampling): number {
  return Math.min(RESERVE_TOKENS, request.maxTokens, Math.floor(model.contextTokens / 3));
}

/** The inside of a JSON string. */
function toJsonText(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
