/** Shell commands: a real shell beside the Python session, in the same folders and within the same limits. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer, send, type Answer, type TestContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
let container: TestContainer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]), env: { CURTA_OUTPUT_MB: "1" } });
  container = await createContainer(server);
});
afterAll(() => server.close());

const bash = (code: string, timeout?: number): Promise<Answer> =>
  container.execute(code, timeout, "bash");

describe("a command", () => {
  test.each<[string, string, Partial<Answer>]>([
    ["prints", "echo out; echo err >&2", { stdout: "out\n", stderr: "err\n", return_code: 0 }],
    [
      "fails with its own code and no error",
      "false; exit 3",
      { status: "ok", return_code: 3, error: null },
    ],
    [
      "is told of a command that is not there",
      "nonesuch",
      { return_code: 127, stderr: "bash: line 1: nonesuch: command not found\n" },
    ],
    ["is told of its own mistakes", "if then", { return_code: 2 }],
    ["ends with a signal's number", "kill -TERM $$", { return_code: 143 }],
    [
      "begins in the workspace, as an ordinary user",
      "pwd; whoami; id -u",
      { stdout: "/workspace\nuser\n1000\n" },
    ],
    ["has nothing to read", "cat; read x; echo $?", { stdout: "1\n" }],
    ["may be long", `x='${"y".repeat(200_000)}'; echo \${#x}`, { stdout: "200000\n" }],
    ["speaks UTF-8", "echo 'größer 图' | tr -d '\\n' | wc -m", { stdout: "8\n" }],
    [
      "has pipes and temporary files",
      "diff <(seq 3) <(seq 3) && seq 1 5 | paste -sd+ | bc",
      { stdout: "15\n" },
    ],
    ["knows no shell before it", "A=1; export A; alias a=b; cd /tmp", { return_code: 0 }],
    ["keeps nothing of it", "echo ${A-none} $PWD", { stdout: "none /workspace\n" }],
  ])("%s", async (_name, code, expected) => {
    expect(await bash(code)).toMatchObject(expected);
  });

  test("has the usual tools", async () => {
    const script = `set -e
cd /tmp && mkdir -p t && cd t && printf 'name,n\\nb,2\\na,1\\n' > d.csv
tail -n +2 d.csv | sort | awk -F, '{ s += $2 } END { print s }'
gawk 'BEGIN { print toupper("gawk") }'; grep -c a d.csv; sed -n 2p d.csv; cut -d, -f1 d.csv | head -1
tar czf d.tgz d.csv && tar tzf d.tgz; zip -q d.zip d.csv && unzip -l d.zip | grep -o 'd.csv'
gzip -kf d.csv && zcat d.csv.gz | wc -l; file -b d.zip | cut -d' ' -f1; echo '{"a":[1,2]}' | jq -c .a
find . -name '*.csv'; xz -k d.csv && bzip2 -k d.csv && ls | wc -l; nproc > /dev/null; rg -c a d.csv`;
    expect(await bash(script)).toMatchObject({
      stdout: "3\nGAWK\n2\nb,2\nname\nd.csv\nd.csv\n3\nZip\n[1,2]\n./d.csv\n6\n2\n",
      stderr: "",
    });
  });

  test("runs Python with the same libraries, and pip says what it can", async () => {
    const script = `cat > s.py <<'EOF'
import sys, pandas as pd, matplotlib.pyplot as plt
pd.DataFrame({"a": [1, 2]}).plot(); plt.savefig(sys.argv[1])
print(len(pd.DataFrame({"a": [1, 2]})), plt.get_backend())
EOF
python3 s.py $OUTPUT_DIR/chart.png; python -c 'import numpy; print(numpy.arange(3).sum())'
pip install requests; echo $?; pip list | grep -c '^numpy '`;
    const answer = await bash(script, 30);
    expect(answer).toMatchObject({
      stdout: "2 agg\n3\n1\n1\n",
      stderr: expect.stringContaining("the sandbox has no network"),
      files: [{ filename: "chart.png", mime_type: "image/png" }],
    });
  });

  test("leaves files for the user at the top of $OUTPUT_DIR only, a fresh folder for each call", async () => {
    const answer = await bash(
      "echo a > $OUTPUT_DIR/a.txt; mkdir $OUTPUT_DIR/b; echo c > $OUTPUT_DIR/b/c.txt; ln -s /etc/passwd $OUTPUT_DIR/p",
    );
    expect(answer.files.map(({ filename }) => filename)).toEqual(["a.txt"]);
    expect((await bash("ls $OUTPUT_DIR")).stdout).toBe("");
  });
});

describe("beside the Python session", () => {
  test("files are shared, and variables live on", async () => {
    await container.print("x = 5; open('from_python.txt', 'w').write('1')");
    expect((await bash("cat from_python.txt; echo 2 > from_bash.txt")).stdout).toBe("1");
    expect(await container.print("print(x, open('from_bash.txt').read())")).toBe("5 2\n\n");
  });

  test("Python's own children and threads live through a command and its time-out", async () => {
    await container.print(
      "import os, threading, time\nticks = []\ndef tick():\n    while True:\n        ticks.append(1); time.sleep(0.01)\nthreading.Thread(target=tick, daemon=True).start()\nchild = os.fork()\nif child == 0:\n    time.sleep(100)",
    );
    expect(await bash("sleep 50", 1)).toMatchObject({ status: "timeout" });
    expect(
      await container.print(
        "before = len(ticks); time.sleep(0.2)\nprint(len(ticks) > before, os.waitpid(child, os.WNOHANG)); os.kill(child, 9)",
      ),
    ).toBe("True (0, 0)\n");
  });

  test("Python still starts no program", async () => {
    await bash("printf '#!/bin/sh\\necho ran' > p.sh; chmod +x p.sh");
    const code =
      "import os\nfor path in ('/usr/bin/bash', '/workspace/p.sh', '/usr/bin/true'):\n    try:\n        os.execv(path, [path])\n    except OSError as error:\n        print(type(error).__name__)";
    expect(await container.print(code)).toBe("PermissionError\n".repeat(3));
  });

  test("a command that kills all it can costs the session, and the session says so", async () => {
    const own = await createContainer(server);
    await own.print("x = 1");
    await own.execute("kill -9 -1", 10, "bash");
    const next = await own.execute("print('x' in globals())", 10);
    expect(next.notice).toMatch(/variables/);
    expect((await own.execute("echo on", 10, "bash")).stdout).toBe("on\n");
  });
});

describe("limits", () => {
  test("a command that runs too long is ended with all that it started, and its output kept", async () => {
    const script =
      "echo before; (setsid sh -c 'sleep 30; touch late' &) ; trap '' TERM INT; sleep 30";
    const answer = await bash(script, 1);
    expect(answer).toMatchObject({ status: "timeout", stdout: "before\n", return_code: 137 });
    expect(answer.seconds).toBeLessThan(5);
    expect((await bash("ps -e -o comm= | grep -c sleep")).stdout).toBe("0\n");
  });

  test("what a command leaves running ends with it, and nobody waits for it", async () => {
    const answer = await bash(
      "nohup sleep 60 > /dev/null 2>&1 & (setsid sleep 60 &) ; (sleep 60; echo late) & echo done",
    );
    expect(answer).toMatchObject({ status: "ok", stdout: "done\n" });
    expect(answer.seconds).toBeLessThan(5);
    expect((await bash("ps -e -o comm= | grep -c sleep")).stdout).toBe("0\n");
  });

  test("a fork bomb is bounded, and the container works on", async () => {
    const answer = await bash("bomb() { bomb | bomb & }; bomb; sleep 5", 2);
    expect(["ok", "timeout"]).toContain(answer.status);
    expect((await bash("echo on")).stdout).toBe("on\n");
  });

  test("endless output ends the command", async () => {
    const answer = await bash("yes", 20);
    expect(answer).toMatchObject({
      status: "killed",
      error: { name: "OutputTooLarge" },
      truncated: true,
    });
    expect(answer.stdout.length).toBe(1 << 20);
    expect(answer.seconds).toBeLessThan(10);
  });

  test("a command that wants too much memory is ended", async () => {
    const answer = await bash("python3 -c 'x = bytearray(3 << 30); print(len(x))'", 20);
    expect(answer.stdout).toBe("");
    expect(answer.return_code).not.toBe(0);
    const tail = await bash("head -c 3G /dev/zero | tail -n 1 | wc -c", 20);
    expect(tail.stdout === "" || tail.stdout === "0\n").toBe(true);
    expect((await bash("echo on")).stdout).toBe("on\n");
  });

  test("the caller goes away: the command ends", async () => {
    const abort = new AbortController();
    const request = fetch(`${server.url}/v1/containers/${container.id}/execute`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ code: "touch started; sleep 60; touch late", language: "bash" }),
      signal: abort.signal,
    });
    const path = `/v1/containers/${container.id}/files/started`;
    while ((await send(server, "GET", path)).status !== 200);
    abort.abort();
    await expect(request).rejects.toThrow(/abort/i);
    expect((await bash("ls late; ps -e -o comm= | grep -c sleep")).stdout).toBe("0\n");
  });
});

test("output comes while the command runs", async () => {
  const response = await send(
    server,
    "POST",
    `/v1/containers/${container.id}/execute`,
    JSON.stringify({
      code: "echo first; sleep 1; echo second >&2",
      language: "bash",
      stream: true,
    }),
  );
  const seen: [string, number][] = [];
  const started = performance.now();
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    for (const [, name] of chunk.matchAll(/^event: (\w+)$/gm))
      seen.push([name!, performance.now() - started]);
  }
  expect(seen.map(([name]) => name)).toEqual(["stdout", "stderr", "done"]);
  expect(seen[1]![1] - seen[0]![1]).toBeGreaterThan(500);
});
