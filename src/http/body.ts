/** The JSON body of a request, never more of it than the limit. */
import { GatewayError } from "../errors.ts";

export async function readJson(request: Request, bytesMax: number): Promise<unknown> {
  const bytes = await readBytes(request, bytesMax);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? cause.message : "it is not UTF-8";
    throw new GatewayError("invalid_request", `The request body is not valid JSON: ${why}`, {
      cause,
    });
  }
}

async function readBytes(request: Request, bytesMax: number): Promise<Buffer> {
  const tooLarge = new GatewayError(
    "request_too_large",
    `The request may have ${bytesMax} bytes at most.`,
  );
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) throw tooLarge;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
