/**
 * How the set-up tells what it does.
 *
 * On a terminal the current step is one line with a bar, redrawn in place; elsewhere (a log, CI) a step
 * is one line when it begins, one every ten seconds while it lasts and one when it ends.
 */
export interface Reporter {
  /** Begins a step. Only one is open at a time. */
  step(title: string): Step;
  /** A sentence of its own, such as the announcement of a package to be installed. */
  note(text: string): void;
}

export interface Step {
  /** `total` null: how much there is to do is not known. */
  progress(doneBytes: number, totalBytes: number | null): void;
  /** Closes the step; later calls do nothing. */
  end(outcome: string): void;
}

export interface Screen {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

const REDRAW_MS = 100;
const LINE_EVERY_MS = 10_000;

export function createReporter(screen: Screen, now: () => number = Date.now): Reporter {
  return {
    step: (title) =>
      screen.isTTY ? drawnStep(screen, title, now) : loggedStep(screen, title, now),
    note: (text) => void screen.write(`${text}\n`),
  };
}

function drawnStep(screen: Screen, title: string, now: () => number): Step {
  const meter = createMeter(now);
  let drawnAt = Number.NEGATIVE_INFINITY;
  let open = true;
  const draw = (text: string): unknown =>
    screen.write(`\r\u001B[K${text.slice(0, (screen.columns ?? 80) - 1)}`);
  draw(`  ${title} …`);
  return {
    progress(doneBytes, totalBytes) {
      if (!open || now() - drawnAt < REDRAW_MS) return;
      drawnAt = now();
      const bar = totalBytes === null ? "" : `${formatBar(doneBytes / totalBytes, 20)} `;
      draw(`  ${title} ${bar}${meter(doneBytes, totalBytes)}`);
    },
    end(outcome) {
      if (!open) return;
      open = false;
      screen.write(`\r\u001B[K  ${title}: ${outcome}\n`);
    },
  };
}

function loggedStep(screen: Screen, title: string, now: () => number): Step {
  const meter = createMeter(now);
  let saidAt = now();
  let open = true;
  screen.write(`${title} …\n`);
  return {
    progress(doneBytes, totalBytes) {
      // Also when nothing is said: the first call is where the rate is measured from.
      const text = meter(doneBytes, totalBytes);
      if (!open || now() - saidAt < LINE_EVERY_MS) return;
      saidAt = now();
      screen.write(`${title}: ${text}\n`);
    },
    end(outcome) {
      if (open) screen.write(`${title}: ${outcome}\n`);
      open = false;
    },
  };
}

/** Turns counts into "120 of 1117 MB, 54 MB/s, 19 s left". The rate is that of this step's own time. */
function createMeter(now: () => number): (done: number, total: number | null) => string {
  let first: { at: number; done: number } | null = null;
  return (done, total) => {
    first ??= { at: now(), done };
    const seconds = (now() - first.at) / 1000;
    return formatProgress(done, total, seconds > 0.5 ? (done - first.done) / seconds : 0);
  };
}

export function formatProgress(done: number, total: number | null, bytesPerSecond: number): string {
  const parts = [
    total === null ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`,
  ];
  if (bytesPerSecond > 0) {
    parts.push(`${formatBytes(bytesPerSecond)}/s`);
    if (total !== null)
      parts.push(`${formatSeconds(Math.max(0, total - done) / bytesPerSecond)} left`);
  }
  return parts.join(", ");
}

export function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  if (bytes < 1e8) return `${(bytes / 1e6).toFixed(1)} MB`;
  if (bytes < 1e9) return `${Math.round(bytes / 1e6)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

export function formatSeconds(seconds: number): string {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

function formatBar(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `[${"=".repeat(filled)}${" ".repeat(width - filled)}]`;
}
