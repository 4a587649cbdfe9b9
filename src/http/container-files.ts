/** The direct API's files: raw bytes to and from a container's workspace. */
import { GatewayError } from "../errors.ts";
import { readBody } from "./request-body.ts";
import { bytesResponse } from "./bytes-response.ts";
import type { AppContext, AppHandler, Services } from "./services.ts";

export function putContainerFile({ containers, config }: Services): AppHandler {
  return async (context) => {
    const path = pathOf(context);
    const container = await containers.get(context.req.param("id")!);
    const bytes = await readBody(context.req.raw, { mb: config.uploadMb, setting: "uploadMb" });
    await container.writeFile(path, bytes);
    return context.json({ type: "workspace_file", path, size_bytes: bytes.byteLength });
  };
}

export function getContainerFile({ containers }: Services): AppHandler {
  return async (context) => {
    const path = pathOf(context);
    const container = await containers.get(context.req.param("id")!);
    const bytes = await container.readFile(path);
    return bytesResponse(new Uint8Array(bytes), {
      mimeType: "application/octet-stream",
      sizeBytes: bytes.byteLength,
      filename: path.split("/").at(-1) ?? path,
    });
  };
}

export function listContainerFiles({ containers }: Services): AppHandler {
  return async (context) => {
    const container = await containers.get(context.req.param("id")!);
    const files = await container.listFiles();
    const data = files.map(({ path, sizeBytes, modifiedMs }) => ({
      type: "workspace_file",
      path,
      size_bytes: sizeBytes,
      modified_at: new Date(modifiedMs).toISOString(),
    }));
    return context.json({ data });
  };
}

/** Everything after `/files/`, decoded once. What a path may be is the container's to say. */
function pathOf(context: AppContext): string {
  const encoded = new URL(context.req.url).pathname.replace(
    /^\/v1\/containers\/[^/]+\/files\//,
    "",
  );
  try {
    return decodeURIComponent(encoded);
  } catch (cause) {
    throw new GatewayError(
      "invalid_request",
      `The path ${JSON.stringify(encoded.slice(0, 200))} is not valid URL encoding.`,
      { cause },
    );
  }
}
