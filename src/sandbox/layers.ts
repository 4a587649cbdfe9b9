/**
 * The layers of a container's walls, as tests take them away one at a time to see what then comes through.
 *
 * Only code can ask for it, as an argument of `startContainers`; no setting, variable or request leads here. A
 * server that an operator weakens (`CURTA_WEAKEN`) is another matter: it says so, and gives up less.
 */
export type Layer =
  /** The filter on system calls. */
  | "seccomp"
  /** Landlock's rules. */
  | "landlock"
  /** The network, IPC and time namespaces. The others carry the file tree and the keeper itself. */
  | "namespaces"
  /** Resource limits, the control group's and the keeper's count. */
  | "limits"
  /** Links in output folders are not followed; images are what they say. */
  | "output-checks"
  /** Frames have lengths that are bounded. */
  | "channel-checks";

export type Layers = readonly Layer[];
