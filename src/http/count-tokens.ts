/**
 * `POST /v1/messages/count_tokens`: what the first sampling of such a request would read.
 *
 * The body is that of `POST /v1/messages` without `max_tokens`, read by the same rules, and the tools are
 * counted as the model is shown them. The count is the model's own where its server counts, else that of a
 * tokenizer that differs a little from the model's.
 */
import type { Config } from "../config.ts";
import type { ModelTool } from "../providers/provider.ts";
import type { FileStore } from "../tools/tool.ts";
import { parseMessagesRequest, type MessagesRequest } from "../wire/request.ts";
import { readBetas } from "./betas.ts";
import { parseJson, readBody, requireJson } from "./request-body.ts";
import { createServerTools } from "./server-tools.ts";
import type { AppHandler, Services } from "./services.ts";
import type { WebServices } from "./web-tools.ts";

const MIB = 1024 * 1024;

export function countTokens({ config, provider, files, web }: Services): AppHandler {
  const stored: Pick<FileStore, "read"> = {
    async read(id) {
      const { filename, mimeType } = files.get(id);
      return { filename, mediaType: mimeType, bytes: await files.read(id) };
    },
  };
  return async (context) => {
    const request = context.req.raw;
    requireJson(request);
    const json = parseJson(await readBody(request, { mb: config.requestMb, setting: "requestMb" }));
    const parsed = await parseMessagesRequest(withMaxTokens(json), {
      betas: readBetas(request.headers),
      limits: {
        attachmentBytes: config.attachmentMb * MIB,
        workspaceBytes: config.filesMb * MIB,
        resultCharacters: config.resultCharacters,
      },
      files: stored,
    });
    const { turn } = parsed;
    const tokens = await provider.countTokens(
      {
        ...turn.prompt,
        tools: [...definitionsOf(parsed, config, web), ...turn.clientTools],
        attachments: turn.files.map(({ attachment }) => attachment),
      },
      request.signal,
    );
    return context.json({ input_tokens: tokens });
  };
}

/** The one field that is required there and absent here. */
function withMaxTokens(json: unknown): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  return { ...json, max_tokens: 1 };
}

function definitionsOf(
  request: MessagesRequest,
  config: Config,
  services: WebServices,
): ModelTool[] {
  const tools = createServerTools(request, { config, web: services, onFailure: () => {} });
  return tools
    .map((tool) => tool.definition)
    .filter(({ name }) => request.turn.serverTools.includes(name));
}
