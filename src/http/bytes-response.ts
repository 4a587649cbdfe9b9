/**
 * Raw bytes that code or users made, as a download.
 *
 * A page among them would be of the server's own origin, so it is never shown as one: it is saved,
 * under a type the browser may not guess, and without rights if it is opened all the same.
 */
import { toContentDisposition } from "../store/filename.ts";

export function bytesResponse(
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  file: { mimeType: string; sizeBytes: number; filename: string },
): Response {
  return new Response(body, {
    headers: {
      "content-type": file.mimeType,
      "content-length": String(file.sizeBytes),
      "content-disposition": toContentDisposition(file.filename),
      "x-content-type-options": "nosniff",
      "content-security-policy": "sandbox; default-src 'none'",
    },
  });
}
