/**
 * `python3` in a shell command: at once where a program uses the data stack, and in every respect what the
 * interpreter itself does. Each case runs both ways, once by the launcher and once by the interpreter.
 */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer, type TestContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
let container: TestContainer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
  container = await createContainer(server);
});
afterAll(() => server.close());

const LAUNCHER = "python3";
const INTERPRETER = "/usr/bin/python3";

/** What a command shows, without the numbers that are never the same. */
async function show(python: string, code: string): Promise<object> {
  await container.execute("rm -rf /workspace/* /tmp/*", 10, "bash");
  const answer = await container.execute(`PY=${python}\n${code}`, 30, "bash");
  const { status, return_code, stdout, stderr } = answer;
  const plain = (text: string) =>
    text.replaceAll(/0x[0-9a-f]+/g, "0x").replaceAll(/(line \d+:) +\d+ /g, "$1 N ");
  return { status, return_code, stdout: plain(stdout), stderr: plain(stderr) };
}

/** Prints `loaded` when there is a library among the modules that nobody has imported. */
const TELL = "import numpy, sys; print('loaded' if 'sympy' in sys.modules else 'started')";
const NAMES_NONE = "import sys; print('loaded' if 'sym' + 'py' in sys.modules else 'started')";

test.each([
  ["a program in a word", `$PY -c "${TELL}"`],
  ["a script, with words", `echo "${TELL}" > s.py; $PY s.py a b; $PY -u ./s.py`],
  ["a here-document, a pipe", `echo "${TELL}" | $PY; $PY - x <<< "${TELL}"`],
  [
    "a script by its first line",
    `(echo '#!/usr/bin/env python3'; echo "${TELL}") > s; chmod +x s; ./s`,
  ],
])("the libraries are loaded already for %s", async (_name, code) => {
  const { stdout } = await container.execute(`PY=python3; ${code}`, 10, "bash");
  expect(stdout).toMatch(/^(loaded\n)+$/);
});

test.each([
  ["no library is named", `$PY -c "${NAMES_NONE}"`],
  ["it has options", `$PY -W ignore -c "${TELL}"; $PY -I -c "${TELL}"`],
  [
    "a library reads a variable",
    `OMP_NUM_THREADS=2 $PY -c "${TELL}"; PYTHONHASHSEED=0 $PY -c "${TELL}"`,
  ],
  ["it has other limits", `(ulimit -n 50; $PY -c "${TELL}"); nice -n 3 $PY -c "${TELL}"`],
  [
    "it hides a library's module",
    `touch statistics.py; echo "${TELL}" > s.py; $PY s.py; rm statistics.py s.py`,
  ],
  ["it looks at its frames", `$PY -c "${TELL}; import inspect"`],
  ["the way to the keeper is shut", `$PY -c "${TELL}" 197>&-; $PY -c "${TELL}" 197>/dev/null`],
])("the interpreter starts when %s", async (_name, code) => {
  const { stdout } = await container.execute(`PY=python3; ${code}`, 20, "bash");
  expect(stdout).toMatch(/^(started\n)+$/);
});

test.each<[string, string]>([
  [
    "arguments, names and paths",
    `echo 'import numpy, sys; print(sys.argv, sys.orig_argv[1:], __name__, __file__, sys.path, __spec__, __loader__, dir())' > s.py
$PY s.py a 'b c' ''; $PY - x < s.py; cat s.py | $PY; mkdir d; mv s.py d; ln -s d/s.py l.py; $PY l.py; cd d; $PY ../d/s.py
$PY -c 'import numpy, sys; print(sys.argv, sys.path, sys.executable, sys.flags, dir())' -u q`,
  ],
  [
    "modules beside the program",
    `mkdir d; echo 'import numpy, helper; print(helper.x)' > d/s.py; echo x=1 > d/helper.py; $PY d/s.py
echo 'x = 5' > random.py; $PY -c 'import numpy, random; print(random.x)'`,
  ],
  [
    "exceptions",
    `printf 'import numpy\\ndef f():\\n    raise ValueError("größe")\\ntry:\\n    f()\\nexcept ValueError as e:\\n    raise KeyError("x") from e\\n' > s.py
$PY s.py; $PY -c 'import numpy; 1/0'; $PY -c 'import numpy; raise KeyboardInterrupt'; echo $?
$PY -c 'import numpy, sys; sys.excepthook = lambda *a: print("hook", a[1]); 1/0'; echo $?`,
  ],
  [
    "programs that do not compile",
    `printf 'import numpy\\nx = = 1\\n' > s.py; $PY s.py; $PY < s.py; cat s.py | $PY -; $PY -c "$(cat s.py)"; $PY nofile.py; $PY .`,
  ],
  [
    "exit codes",
    `for end in 'sys.exit(3)' 'sys.exit("bad")' 'sys.exit()' 'sys.exit(-1)' 'exit(5)' 'quit()' 'os._exit(9)' 'os.abort()' 'os.kill(os.getpid(), 9)'; do
$PY -c "import numpy, os, sys; print('x', end=''); $end"; echo $?; done; $PY -c 'import numpy, ctypes; ctypes.string_at(0)'; echo $?`,
  ],
  [
    "the end: threads, exit functions, objects, open files",
    `$PY -c 'import atexit, numpy, threading, time
f = open("out.txt", "w"); f.write("kept")
class A:
    def __del__(self): print("del", atexit is None)
a = A(); a.me = a; atexit.register(print, "exit")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start(); print("end")'; cat out.txt`,
  ],
  [
    "streams",
    `$PY -c 'import numpy, sys; print(sys.stdin.read().upper()); print(*[(s.encoding, s.errors, s.name, s.write_through, type(s.buffer)) for s in (sys.stdin, sys.stdout, sys.stderr)])' <<< hello
$PY -c 'import numpy, sys; print(sys.stdout, file=sys.stderr)' >&-; $PY -c 'import numpy, sys; print(sys.stdin)' <&-; $PY -c 'import numpy; input()' < /dev/null
$PY -c 'import numpy; print("x")' > /dev/full; echo $?; $PY -c 'import numpy; print(open("/dev/fd/5").read())' 5< <(echo five)
$PY -c 'import numpy
for i in range(100000): print(i)' 2>/dev/null | head -2; echo \${PIPESTATUS[@]}`,
  ],
  [
    "variables, folder, mask, ignored signals",
    `FOO=1 BAR='x y' $PY -c 'import numpy, os; print(os.environ["FOO"], os.environ["BAR"], os.getcwd()); os.system("echo $FOO")'
umask 027; $PY -c 'import numpy; open("f","w")'; stat -c %a f; nohup $PY -c 'import numpy, signal; print([n for n in range(1, 32) if signal.getsignal(n) == 1], signal.getsignal(2))'
mkdir gone; cd gone; rmdir ../gone; $PY -c 'import numpy; print(1)' 2>&1 | tail -1`,
  ],
  [
    "signals",
    `timeout 1 $PY -c 'import numpy, time; time.sleep(20)'; echo $?
$PY -c 'import numpy, signal, sys, time
got = []; signal.signal(signal.SIGTERM, lambda *a: got.append(1)); open("ready", "w")
while not got: time.sleep(0.05)
sys.exit(4)' & until [ -e ready ]; do :; done; kill $!; wait $!; echo $?`,
  ],
  [
    "processes and threads of its own",
    `printf 'import numpy, multiprocessing as mp, sys\\ndef f(x): return x*x\\nif __name__ == "__main__":\\n    mp.set_start_method(sys.argv[1])\\n    with mp.Pool(2) as p: print(p.map(f, range(5)))\\n' > s.py; $PY s.py fork; $PY s.py spawn
$PY -c 'import numpy, asyncio, subprocess
from joblib import Parallel, delayed; print(Parallel(n_jobs=2)(delayed(pow)(i, 2) for i in range(4)))
asyncio.run(asyncio.sleep(0)); print(subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout)'`,
  ],
  [
    "nothing of the session's harness",
    `$PY -c 'import builtins, numpy, sys, warnings
print([m for m in sys.modules if m.split(".")[0] in ("IPython", "kernel", "traitlets")], sorted(vars(builtins)), input, exit)
print(sys.displayhook, sys.excepthook, sys.gettrace()); warnings.warn("w"); warnings.warn("d", DeprecationWarning)'
$PY -c 'import asyncio, numpy, pickle
class A: pass
print(asyncio.run, pickle.loads(pickle.dumps(A())).__class__)'`,
  ],
  [
    "figures",
    `$PY -c 'import matplotlib, matplotlib.pyplot as plt
plt.plot([1, 2]); plt.title("图 größe"); plt.savefig("a.png"); plt.show()
print(plt.get_backend(), plt.isinteractive(), sorted((k, v) for k, v in matplotlib.rcParams.items() if v != matplotlib.rcParamsDefault[k]))'; cksum a.png`,
  ],
])(
  "the same as the interpreter: %s",
  async (_name, code) => {
    const both = [await show(LAUNCHER, code), await show(INTERPRETER, code)];
    expect(both[0]).toEqual(both[1]);
  },
  60_000,
);

test("what a program takes is counted", async () => {
  const code = "python3 -c 'import numpy, time\nwhile time.process_time() < 0.3: pass'";
  const { usage } = await container.execute(code, 20, "bash");
  expect(usage.cpu_ms).toBeGreaterThan(250);
});
