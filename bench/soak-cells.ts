/**
 * What the soak's sessions are given to run, and what may come of it. Hostile cells tidy up what a session
 * keeps by promise, files and open descriptors, since the honest ones after them need both.
 */

export interface SoakCell {
  name: string;
  code: string;
  /** Python where it is left out. */
  language?: "bash";
  timeoutSeconds: number;
  /** Any other ending is an error that the load did not ask for. */
  statuses: readonly string[];
  /** Of an honest cell the output is checked too. */
  stdout?: string;
  pictures?: number;
  files?: number;
  /** The client goes away after so many milliseconds. */
  leaveAfterMs?: number;
  /** The variables may be gone afterwards. */
  mayForget?: boolean;
}

/** Time for an honest cell on a machine full of hostile ones. */
const PATIENCE = 30;
const ENDED = ["killed", "timeout", "out_of_memory", "error"];
const ANY = ["ok", ...ENDED];

export const HONEST: readonly SoakCell[] = [
  honest("prints", "print(1)", { stdout: "1\n" }),
  honest("keeps a variable", "kept = 20\nkept += 1\nprint(kept)", { stdout: "21\n" }),
  honest(
    "groups",
    'import pandas\nframe = pandas.DataFrame({"a": [1, 1, 2], "b": [1, 2, 3]})\nprint(frame.groupby("a").b.sum().tolist())',
    { stdout: "[3, 3]\n" },
  ),
  honest(
    "multiplies",
    "import numpy\nprint(int((numpy.ones((300, 300)) @ numpy.ones((300, 300))).sum()))",
    {
      stdout: "27000000\n",
    },
  ),
  honest(
    "draws",
    'import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]); plt.title("Soak"); plt.show()',
    {
      pictures: 1,
    },
  ),
  honest(
    "leaves a file",
    'import os\nopen(os.environ["OUTPUT_DIR"] + "/note.txt", "w").write("x" * 1000)\nprint("left")',
    { stdout: "left\n", files: 1 },
  ),
  honest(
    "writes and removes",
    'import os\nopen("big", "wb").write(bytes(5_000_000))\nos.remove("big")\nprint("gone")',
    {
      stdout: "gone\n",
    },
  ),
  honest("prints a lot", 'for _ in range(20_000): print("x" * 20)'),
  { ...honest("fails", "1 / 0"), statuses: ["error"] },
  shell("counts by shell", "seq 5 | tac | head -2", { stdout: "5\n4\n" }),
  shell("runs a program", "python3 -c 'import numpy; print(numpy.arange(4).sum())'", {
    stdout: "6\n",
  }),
  shell("writes and removes by shell", "head -c 5000000 /dev/zero > s; stat -c %s s; rm s", {
    stdout: "5000000\n",
  }),
];

export const HOSTILE: readonly SoakCell[] = [
  hostile("never ends", "while True: pass", 1, ["timeout"]),
  hostile(
    "ignores interrupts",
    "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
    1,
    ["timeout"],
  ),
  hostile("exits", "import os\nos._exit(3)", 5, ["killed"]),
  hostile("crashes", "import ctypes\nctypes.string_at(0)", 5, ["killed"]),
  hostile("takes all memory", "kept = [bytes(50_000_000) for _ in range(100)]", 10, ENDED),
  hostile(
    "forks without end",
    "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    1,
    ENDED,
  ),
  hostile(
    "starts threads without end",
    "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
    1,
    ENDED,
  ),
  hostile("prints without end", 'while True: print("x" * 1000)', 1, ["timeout"]),
  hostile(
    "opens all it can",
    'files = []\ntry:\n    while True: files.append(open("/dev/null"))\nfinally: files.clear()',
    2,
    ENDED,
  ),
  hostile(
    "fills the disk",
    'import os\ntry:\n    with open("full", "wb", buffering=0) as file:\n        while True: file.write(bytes(1 << 20))\nfinally: os.remove("full")',
    10,
    ENDED,
  ),
  hostile(
    "kills its neighbours",
    'import os\nfor name in os.listdir("/proc"):\n    if name.isdigit() and int(name) not in (1, os.getpid()):\n        os.kill(int(name), 9)',
    5,
    ANY,
  ),
  hostile("closes everything", "import os\nos.closerange(3, 1024)", 5, ANY),
  { ...hostile("is left alone", "import time\ntime.sleep(20)", 25, []), leaveAfterMs: 200 },
  {
    ...hostile("a shell that forks without end", "f() { f | f & }; f; wait", 1, ANY),
    language: "bash",
  },
  { ...hostile("a shell that prints without end", "yes", 5, ENDED), language: "bash" },
  {
    ...hostile(
      "a shell that leaves much behind",
      "for i in 1 2 3 4 5 6 7 8; do setsid sleep 600 & done",
      5,
      ANY,
    ),
    language: "bash",
  },
  {
    ...hostile("a shell that kills and stops its neighbours", "kill -STOP -1; kill -9 -1", 5, ANY),
    language: "bash",
  },
  {
    ...hostile("a shell that is left alone", "sleep 20", 25, []),
    language: "bash",
    leaveAfterMs: 200,
  },
];

function shell(name: string, code: string, more: Partial<SoakCell>): SoakCell {
  return { ...honest(name, code, more), language: "bash" };
}

export function honest(name: string, code: string, more: Partial<SoakCell> = {}): SoakCell {
  return { name, code, timeoutSeconds: PATIENCE, statuses: ["ok"], ...more };
}

export function hostile(
  name: string,
  code: string,
  timeoutSeconds: number,
  statuses: readonly string[],
): SoakCell {
  return { name, code, timeoutSeconds, statuses, mayForget: true };
}
