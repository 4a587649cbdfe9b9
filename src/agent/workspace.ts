/**
 * The container of one turn, had when the first tool asks for it.
 *
 * A container that the client named is looked up before the turn starts, so that an unknown id is an error
 * of the request. The conversation's files are written before the first execution: those of the message
 * that is answered now always, earlier ones only where the container does not have them, because code may
 * have changed its copy since.
 */
import type { Container, Containers } from "../sandbox/sandbox.ts";
import type { TurnContainer } from "./events.ts";
import type { TurnFile } from "./turn.ts";

export interface Workspace {
  container(): Promise<Container>;
  /** Writes a file of Curta's own: at once, or before the first execution when nothing has run yet. */
  putFile(filename: string, bytes: Uint8Array): Promise<void>;
  /** The container as the client is told of it; null until there is one. */
  current(): TurnContainer | null;
}

export async function openWorkspace(
  containers: Containers,
  containerId: string | null,
  files: readonly TurnFile[],
): Promise<Workspace> {
  let container = containerId === null ? null : await containers.get(containerId);
  let areFilesWritten = false;
  const waiting = new Map<string, Uint8Array>();

  return {
    async container() {
      const isFresh = container === null;
      container ??= await containers.create();
      if (!areFilesWritten) await writeFiles(container, files, isFresh);
      areFilesWritten = true;
      for (const [filename, bytes] of waiting) await container.writeFile(filename, bytes);
      waiting.clear();
      return container;
    },
    async putFile(filename, bytes) {
      // A search alone needs no container.
      if (areFilesWritten && container !== null) await container.writeFile(filename, bytes);
      else waiting.set(filename, bytes);
    },
    current() {
      return container === null ? null : { id: container.id, expiresAt: container.expiresAt };
    },
  };
}

async function writeFiles(
  container: Container,
  files: readonly TurnFile[],
  isFresh: boolean,
): Promise<void> {
  if (files.length === 0) return;
  const present = new Set(isFresh ? [] : (await container.listFiles()).map((file) => file.path));
  for (const { attachment, bytes, isNew } of files) {
    if (isNew || !present.has(attachment.filename))
      await container.writeFile(attachment.filename, bytes);
  }
}
