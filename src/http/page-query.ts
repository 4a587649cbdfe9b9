/** The query of every list that comes in pages: files, models, batches. */
import { z } from "zod";

import { GatewayError } from "../errors.ts";

export const PageQuery = z.object({
  limit: z.coerce
    .number({ error: "must be a whole number from 1 to 1000" })
    .int()
    .min(1)
    .max(1000)
    .default(20),
  after_id: z.string().optional(),
  before_id: z.string().optional(),
});

export interface Page {
  limit: number;
  afterId: string | undefined;
  beforeId: string | undefined;
}

/** Throws `invalid_request` with the name of the parameter that is wrong. */
export function parseQuery<Shape extends z.ZodType>(
  schema: Shape,
  query: Record<string, string>,
): z.output<Shape> {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new GatewayError("invalid_request", `${issue?.path.join(".")}: ${issue?.message}`);
}

export function parsePage(query: Record<string, string>): Page {
  const { limit, after_id: afterId, before_id: beforeId } = parseQuery(PageQuery, query);
  if (afterId !== undefined && beforeId !== undefined) {
    throw new GatewayError("invalid_request", "Only one of after_id and before_id at a time.");
  }
  return { limit, afterId, beforeId };
}
