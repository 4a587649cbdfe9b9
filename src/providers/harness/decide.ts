/**
 * What a request wants, as far as its wording shows it. Where it does not, the model is asked.
 */
import type { ModelRequest } from "../provider.ts";
import { CODE_TOOL, type Exchange } from "./conversation.ts";
import { findPastedData } from "./pasted-data.ts";

/** Words for a chart in the languages that users are most likely to write in. */
const CHART =
  /\b(charts?|plots?|plotted|plotting|graphs?|histograms?|heat ?maps?|scatter|visuali[sz]\w*|diagramm?e?s?|grafi[ck]\w*|gráfic\w*|graphiques?)\b|диаграмм|график|图表|图形|柱状图|折线图|饼图|グラフ|図表|그래프|차트|चार्ट|ग्राफ|مخطط|رسم بياني|رسما بيانيا|แผนภูมิ|กราฟ/iu;

const COMPUTE =
  /\b(calculat\w*|comput\w*|sum|total|product of|primes?|prime numbers?|factorials?|probabilit\w*|square root|average|mean|median|standard deviation|variance|percentage|percentile|correlat\w*|regression|convert|analy[sz]e|solve|simulat\w*|integrate|differentiate|derivative|factori[sz]e|sort|interest|compound|how (many|much|long|far)|clean (this|the|up)|statistics)\b/iu;

const ARITHMETIC = /\p{Nd}\s*[-+*/×÷^%=]\s*\p{Nd}/u;
const NUMBER = /\p{Nd}+(?:[.,]\p{Nd}+)*/gu;

export function wantsChart(request: string): boolean {
  return CHART.test(request);
}

const RESULTS =
  /\b(calculat\w*|comput\w*|tell|give|show me|what|which|who|when|how|find|predict|count|list|mean|median|average|total|sum|correlation)\b|[?؟？]/iu;

/** Whether words or numbers are asked for, beside a chart when there is one. */
export function wantsResults(request: string): boolean {
  return !wantsChart(request) || RESULTS.test(request);
}

export type Decision = "program" | "words" | "ask";

/** `ask`: the wording does not tell, and the model has to say. */
export function decide(request: ModelRequest, exchange: Exchange): Decision {
  const { toolChoice, tools } = request;
  const isDeclared = tools.some((tool) => tool.name === CODE_TOOL);
  if (!isDeclared || toolChoice?.type === "none") return "words";
  if (toolChoice?.type === "tool") return toolChoice.name === CODE_TOOL ? "program" : "words";
  if (toolChoice?.type === "any") return "program";

  const text = exchange.request;
  if (exchange.attachments.length > 0 || wantsChart(text)) return "program";
  if (findPastedData(text)?.kind === "table" || findPastedData(text)?.kind === "json")
    return "program";
  const numbers = text.match(NUMBER)?.length ?? 0;
  if (ARITHMETIC.test(text) || (COMPUTE.test(text) && numbers > 0) || numbers >= 3)
    return "program";
  return "ask";
}
