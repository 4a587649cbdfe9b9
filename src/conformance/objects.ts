/** The other objects of the API, exactly: errors, files, models, counts, batches. */
import { z } from "zod";

const time = z.iso.datetime({ offset: true });
const count = z.int().min(0);

const ErrorType = z.enum([
  "invalid_request_error",
  "authentication_error",
  "billing_error",
  "permission_error",
  "not_found_error",
  "conflict_error",
  "request_too_large",
  "rate_limit_error",
  "api_error",
  "timeout_error",
  "overloaded_error",
]);

export const ErrorEnvelope = z.strictObject({
  type: z.literal("error"),
  error: z.strictObject({
    type: ErrorType,
    message: z.string().min(1),
    details: z.record(z.string(), z.unknown()).nullable().optional(),
  }),
  request_id: z.string().nullable().optional(),
});

export const FileObject = z.strictObject({
  id: z.string().regex(/^file_\w+$/),
  type: z.literal("file"),
  filename: z.string().min(1).max(255),
  mime_type: z.string().min(1),
  size_bytes: count,
  created_at: time,
  downloadable: z.boolean().optional(),
  expires_at: time.nullable().optional(),
  scope: z.looseObject({}).nullable().optional(),
});

/** Both generations of pagers at once, or one of them. */
export const FileList = z.strictObject({
  data: z.array(FileObject),
  next_page: z.string().startsWith("page_").nullable().optional(),
  first_id: z.string().nullable().optional(),
  last_id: z.string().nullable().optional(),
  has_more: z.boolean().optional(),
});

export const DeletedFile = z.strictObject({
  id: z.string(),
  type: z.literal("file_deleted"),
});

const support = z.looseObject({ supported: z.boolean() });

export const ModelInfo = z.strictObject({
  id: z.string().min(1),
  type: z.literal("model"),
  display_name: z.string().min(1),
  created_at: time,
  max_input_tokens: count.nullable().optional(),
  max_tokens: count.nullable().optional(),
  capabilities: z.record(z.string(), support.nullable()).nullable().optional(),
  deprecated_at: time.nullable().optional(),
  retires_at: time.nullable().optional(),
  lifecycle: z.enum(["active", "deprecated", "retired"]).optional(),
  line: z.string().nullable().optional(),
});

export const ModelList = z.strictObject({
  data: z.array(ModelInfo),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});

export const TokenCount = z.strictObject({
  input_tokens: count,
  context_management: z.unknown().optional(),
});

export const Batch = z.strictObject({
  id: z.string().regex(/^msgbatch_\w+$/),
  type: z.literal("message_batch"),
  processing_status: z.enum(["in_progress", "canceling", "ended"]),
  request_counts: z.strictObject({
    processing: count,
    succeeded: count,
    errored: count,
    canceled: count,
    expired: count,
  }),
  created_at: time,
  expires_at: time,
  ended_at: time.nullable(),
  cancel_initiated_at: time.nullable(),
  archived_at: time.nullable(),
  results_url: z.string().nullable(),
});

export const BatchList = z.strictObject({
  data: z.array(Batch),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});

export const BatchResult = z.strictObject({
  custom_id: z.string(),
  result: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("succeeded"), message: z.unknown() }),
    z.strictObject({ type: z.literal("errored"), error: ErrorEnvelope }),
    z.strictObject({ type: z.literal("canceled") }),
    z.strictObject({ type: z.literal("expired") }),
  ]),
});
