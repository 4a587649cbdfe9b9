/** The machine and the moment, without which absolute figures mean nothing. */
import { cpus, loadavg, release, totalmem } from "node:os";

export function describeMachine(): string {
  const processors = cpus();
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return `${processors.length} x ${processors[0]?.model.trim() ?? process.arch}, ${memory} GiB, Linux ${release()}, Node ${process.versions.node}`;
}

/** Load average of the last minute: above the number of processors, others were at work too. */
export function describeLoad(): string {
  return (loadavg()[0] ?? 0).toFixed(1);
}
