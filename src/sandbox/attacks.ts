/**
 * Escape checks on this host, in real containers.
 *
 * The quick ones (`python/kernel/attacks.py`) are one cell that tries some two hundred things and takes less
 * than a tenth of a second; the server runs them at every start. The slow ones use a container up, need a
 * second one, or have to be judged by what reaches the server: `curta doctor --attack` runs both.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import type { Protection } from "./probe.ts";
import type {
  Container,
  Containers,
  DisplayOutput,
  ExecuteOptions,
  ExecutionStatus,
} from "./sandbox.ts";

export interface AttackResult {
  /** In the checklist of SECURITY.md. */
  number: number;
  /** What was tried. */
  name: string;
  /** The protection that holds it, by doctor's name. */
  behind: string;
  held: boolean;
  /** What the attack got as answers. */
  detail: string;
}

interface Outcome {
  status: ExecutionStatus;
  stdout: string;
  stdoutLength: number;
  outputs: DisplayOutput[];
  files: { name: string; bytes: Buffer }[];
}

interface SlowAttack {
  number: number;
  name: string;
  behind: string;
  code: string;
  timeoutMs: number;
  /** Whether the outcome is a harmless one. */
  isHeld: (outcome: Outcome) => boolean;
}

const QUICK_MS_MAX = 20_000;
const SHOWN_CHARACTERS = 40;

const quickReport = z.array(
  z.object({
    number: z.number(),
    name: z.string(),
    behind: z.string(),
    held: z.boolean(),
    answers: z.array(z.string()),
  }),
);

/** Throws `internal` when the checks give no report. */
export async function runQuickAttacks(container: Container): Promise<AttackResult[]> {
  return readReport(await run(container, readChecks(), QUICK_MS_MAX));
}

/** The same from a program that a shell command starts: other walls, which leave room for programs only. */
async function runShellAttacks(container: Container): Promise<AttackResult[]> {
  const code = `python3 - <<'END_OF_CHECKS'\n${readChecks()}\nEND_OF_CHECKS\n`;
  const rows = readReport(await run(container, code, QUICK_MS_MAX, "bash"));
  return rows
    .filter(({ behind }) => behind !== "no-programs")
    .map((row) => ({ ...row, name: `${row.name}, from the shell` }));
}

function readChecks(): string {
  return readFileSync(new URL("../../python/kernel/attacks.py", import.meta.url), "utf8");
}

function readReport({ status, stdout }: Outcome): AttackResult[] {
  try {
    const rows = quickReport.parse(JSON.parse(stdout));
    return rows.map(({ answers, ...row }) => ({ ...row, detail: answers.join(", ") }));
  } catch (cause) {
    const problem = `The sandbox's escape checks failed (${status}): ${stdout.slice(0, 500)}`;
    throw new GatewayError("internal", problem, { cause });
  }
}

/** Each in a container of its own, which then still has to answer. */
export async function runSlowAttacks(containers: Containers): Promise<AttackResult[]> {
  const results: AttackResult[] = await inContainer(containers, runShellAttacks);
  for (const attack of SLOW) {
    results.push(await inContainer(containers, (container) => carryOut(attack, container)));
  }
  return [...results, await meetNeighbour(containers), await compareRandomness(containers)];
}

async function inContainer<T>(
  containers: Containers,
  action: (container: Container) => Promise<T>,
): Promise<T> {
  const container = await containers.create();
  try {
    return await action(container);
  } finally {
    await containers.delete(container.id).catch(() => {});
  }
}

/** Throws one sentence naming what came through, unless what holds it was given up or is not required. */
export function requireHeld(
  results: readonly AttackResult[],
  protections: readonly Protection[],
  weaken: string,
): void {
  const tolerated = new Set(weaken.split(",").map((name) => name.trim()));
  for (const { name, enforced, required } of protections) {
    if (!enforced && !required) tolerated.add(name);
  }
  const through = results.filter(({ held, behind }) => !held && !tolerated.has(behind));
  if (through.length === 0) return;
  const list = through.map(({ number, name, detail }) => `${number} ${name} (${detail})`);
  throw new GatewayError(
    "internal",
    `Escape checks came through on this host: ${list.join("; ")}. See npx curta doctor --attack.`,
  );
}

async function carryOut(attack: SlowAttack, container: Container): Promise<AttackResult> {
  const { number, name, behind, code, timeoutMs, isHeld } = attack;
  const outcome = await run(container, code, timeoutMs);
  const next = await run(container, "print('alive')", 10_000);
  const answers = next.stdout === "alive\n";
  const said = outcome.stdout.slice(0, SHOWN_CHARACTERS).trim().replaceAll(/\s+/g, " ");
  const detail = `${outcome.status}${said === "" ? "" : `: ${said}`}${answers ? "" : "; the container answers no more"}`;
  return { number, name, behind, held: isHeld(outcome) && answers, detail };
}

async function run(
  container: Container,
  code: string,
  timeoutMs: number,
  language: ExecuteOptions["language"] = "python",
): Promise<Outcome> {
  const outcome: Outcome = { status: "ok", stdout: "", stdoutLength: 0, outputs: [], files: [] };
  const options = { code, language, timeoutMs, live: false };
  for await (const event of container.execute(options, AbortSignal.timeout(timeoutMs + 30_000))) {
    if (event.type === "stdout") {
      outcome.stdoutLength += event.text.length;
      if (outcome.stdout.length < 1 << 20) outcome.stdout += event.text;
    }
    if (event.type === "output") outcome.outputs.push(event.output);
    if (event.type === "file")
      outcome.files.push({ name: event.file.filename, bytes: event.file.bytes });
    if (event.type === "done") outcome.status = event.status;
  }
  return outcome;
}

async function meetNeighbour(containers: Containers): Promise<AttackResult> {
  const [one, other] = [await containers.create(), await containers.create()];
  try {
    await run(one, NEIGHBOUR_SETS, 10_000);
    const { stdout } = await run(other, NEIGHBOUR_LOOKS, 10_000);
    return {
      number: 54,
      name: "find files, sockets or processes of a neighbour",
      behind: "own-files",
      held: stdout === "[]\n",
      detail: stdout.trim(),
    };
  } finally {
    await Promise.all([one, other].map(({ id }) => containers.delete(id).catch(() => {})));
  }
}

async function compareRandomness(containers: Containers): Promise<AttackResult> {
  const [one, other] = [await containers.create(), await containers.create()];
  try {
    const [first, second] = await Promise.all(
      [one, other].map(async (container) => {
        const { stdout } = await run(container, RANDOM, 10_000);
        return stdout.trim().split(" ");
      }),
    );
    const same = first!.filter((value, index) => value === second![index]).length;
    return {
      number: 51,
      name: "draw the random numbers of a neighbour",
      behind: "own-files",
      held: first!.length === 8 && same === 0,
      detail: `${first!.length} sources, ${same} alike`,
    };
  } finally {
    await Promise.all([one, other].map(({ id }) => containers.delete(id).catch(() => {})));
  }
}

const NEIGHBOUR_SETS = `import ctypes, socket
for folder in ('/tmp', '/dev/shm', '/workspace', '/home/user', '/outputs'): open(folder + '/left-behind', 'w').write('x')
listening = socket.socket(socket.AF_UNIX); listening.bind(chr(0) + 'neighbour'); listening.listen()
ctypes.CDLL(None).prctl(15, b'neighbour')`;
const NEIGHBOUR_LOOKS = `import os, socket
found = [folder for folder in ('/tmp', '/dev/shm', '/workspace', '/home/user', '/outputs') if os.path.exists(folder + '/left-behind')]
try: socket.socket(socket.AF_UNIX).connect(chr(0) + 'neighbour'); found.append('socket')
except OSError: pass
found += [name for name in os.listdir('/proc') if name.isdigit() and 'neighbour' in open(f'/proc/{name}/comm').read()]
print(found)`;
const RANDOM = `import os, random, secrets, ssl, tempfile, uuid, numpy
print(random.random(), numpy.random.rand(), numpy.random.default_rng().random(), secrets.token_hex(8), uuid.uuid4(), uuid.uuid1(), ssl.RAND_bytes(8).hex(), next(tempfile._get_candidate_names()))`;

/** Finds the harness's own session object, as hostile code can. */
const SESSION = `import gc, struct
session = next(thing for thing in gc.get_objects() if type(thing).__name__ == 'Session')
`;

const SLOW: readonly SlowAttack[] = [
  {
    number: 1,
    name: "start processes without end",
    behind: "limits",
    code: `import os, time
count = 0
try:
    while count < 2000:
        if os.fork() == 0: time.sleep(60); os._exit(0)
        count += 1
except OSError: pass
print(count)`,
    timeoutMs: 10_000,
    isHeld: ({ stdout }) => Number(stdout) < 2000,
  },
  {
    number: 7,
    name: "take memory without end",
    behind: "limits",
    code: "parts = []\nwhile True: parts.append(bytearray(b'x') * (64 << 20))",
    timeoutMs: 20_000,
    isHeld: ({ status }) => status === "out_of_memory",
  },
  {
    number: 11,
    name: "make files without end",
    behind: "limits",
    code: `count = 0
try:
    while count < 200000: open('/tmp/%d' % count, 'w').close(); count += 1
except OSError: pass
print(count)`,
    timeoutMs: 20_000,
    isHeld: ({ stdout }) => Number(stdout) < 200_000,
  },
  {
    number: 13,
    name: "print without end",
    behind: "limits",
    code: "while True: print('x' * 1000)",
    timeoutMs: 1000,
    isHeld: ({ status, stdoutLength }) => status === "timeout" && stdoutLength <= 64 << 20,
  },
  {
    number: 15,
    name: "compute without listening to an interrupt",
    behind: "limits",
    code: "10 ** 10 ** 9",
    timeoutMs: 1000,
    isHeld: ({ status }) => status === "timeout",
  },
  {
    number: 44,
    name: "swap a file for a link while it is collected",
    behind: "own-files",
    code: `import os, threading, time
out = os.environ['OUTPUT_DIR']
open(out + '/file', 'w').write('mine'); os.symlink('/etc/passwd', out + '/link')
def swap():
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        os.rename(out + '/file', out + '/x'); os.rename(out + '/link', out + '/file'); os.rename(out + '/x', out + '/link')
threading.Thread(target=swap).start()`,
    timeoutMs: 5000,
    isHeld: ({ files }) => files.every(({ bytes }) => bytes.toString() === "mine"),
  },
  {
    number: 46,
    name: "hand out a picture that unpacks to ten gigabytes, and text as a picture",
    behind: "own-files",
    code: `import struct, zlib
from IPython.display import display
head = b'IHDR' + struct.pack('>IIBBBBB', 50000, 50000, 8, 6, 0, 0, 0)
bomb = bytes.fromhex('89504e470d0a1a0a') + struct.pack('>I', 13) + head + struct.pack('>I', zlib.crc32(head))
for picture in (bomb, b'<script>'): display({'image/png': picture, 'text/plain': 'x'}, raw=True)`,
    timeoutMs: 5000,
    isHeld: ({ outputs }) => outputs.every(({ data }) => !("image/png" in data)),
  },
  {
    number: 47,
    name: "announce a frame of four gigabytes to the server",
    behind: "own-files",
    code: `${SESSION}session.channel.sendall(struct.pack('>II', 0xffffffff, 0xffffffff))
while True: pass`,
    timeoutMs: 5000,
    isHeld: ({ status }) => status === "killed",
  },
  {
    number: 47,
    name: "end the trusted process, or speak for another one",
    behind: "own-files",
    code: `${SESSION}import os, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.kill(1, signal.SIGKILL); os.kill(1, signal.SIGTERM)
session.control.send(b'T1')
while True: pass`,
    timeoutMs: 1000,
    isHeld: ({ status }) => status === "timeout",
  },
];
