/** What a command sees of the process it runs in. */
export interface Screen {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface Io {
  stdout: Screen;
  stderr: Screen;
  env: Record<string, string | undefined>;
  /** Folder that names on the command line are relative to, and that results are saved in. */
  folder: string;
  /** Aborts at the first SIGINT or SIGTERM. */
  signal: AbortSignal;
}
