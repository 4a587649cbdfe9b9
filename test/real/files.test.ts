/** Files in and out of a container. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer, send, type TestContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
let container: TestContainer;
let path: string;
beforeAll(async () => {
  server = await startServer({
    provider: new ScriptedProvider([]),
    env: { CURTA_UPLOAD_MB: "20", CURTA_FILES_MB: "40" },
  });
  container = await createContainer(server);
  path = `/v1/containers/${container.id}/files`;
});
afterAll(() => server.close());

const bytes = (size: number) => new Uint8Array(size).map((_, index) => index % 251);

test.each([
  ["a.csv", 3],
  ["sub/folder/b.bin", 100_000],
  ["empty", 0],
  ["ü 名 %+&#?.txt", 5],
  ["-rf", 1],
  ["large", 19 << 20],
])("%s goes in and comes out as it was", async (name, size) => {
  const url = `${path}/${name.split("/").map(encodeURIComponent).join("/")}`;
  expect((await send(server, "PUT", url, bytes(size))).status).toBe(200);
  expect(new Uint8Array(await (await send(server, "GET", url)).arrayBuffer())).toEqual(bytes(size));
  expect(await container.print(`import os\nprint(os.path.getsize(${JSON.stringify(name)}))`)).toBe(
    `${size}\n`,
  );
  const listed = await (await send(server, "GET", path)).json();
  expect(listed.data).toContainEqual(expect.objectContaining({ path: name, size_bytes: size }));
  await container.print(`os.remove(${JSON.stringify(name)})`);
});

test.each([
  "%2e%2e/%2e%2e/etc/passwd",
  "..%2f..%2fetc%2fpasswd",
  "%2fetc%2fpasswd",
  "a%00b",
  "a%0ab",
  "a//b",
  "x".repeat(300),
  Array(40).fill("d").join("/"),
  "%ff",
  "%E2%80%AEgpj.exe",
])("the path %.60s is refused", async (name) => {
  for (const method of ["PUT", "GET"]) {
    const response = await fetchRaw(method, `${path}/${name}`);
    expect([400, 404]).toContain(response);
  }
});

/** fetch would resolve dot segments before they leave. */
async function fetchRaw(method: string, target: string): Promise<number> {
  const { request } = await import("node:http");
  return new Promise((resolve, reject) => {
    const sent = request(
      server.url,
      { method, path: target, headers: { "x-api-key": "test" } },
      (response) => {
        response.resume();
        resolve(response.statusCode!);
      },
    );
    sent.on("error", reject);
    sent.end(method === "PUT" ? "x" : undefined);
  });
}

test("links, pipes, sockets and folders are neither read nor written", async () => {
  await container.print(`import os, socket
os.symlink('/etc/passwd', 'link'); os.symlink('/proc/1', 'proc'); os.mkfifo('pipe'); os.mkdir('folder')
socket.socket(socket.AF_UNIX).bind('socket')`);
  for (const name of ["link", "proc/environ", "pipe", "folder", "socket"]) {
    for (const method of ["GET", "PUT"]) {
      const response = await send(
        server,
        method,
        `${path}/${name}`,
        method === "PUT" ? "x" : undefined,
      );
      expect([400, 404]).toContain(response.status);
    }
  }
  const listed = JSON.stringify(await (await send(server, "GET", path)).json());
  for (const name of ["link", "pipe", "socket"]) expect(listed).not.toContain(`"${name}"`);
});

test("limits: one file, all files, a full disk, and the container lives", async () => {
  expect((await send(server, "PUT", `${path}/x`, bytes((20 << 20) + 1))).status).toBe(413);
  await container.print("open('filler', 'wb').write(bytes(30 << 20))");
  const full = await send(server, "PUT", `${path}/y`, bytes(15 << 20));
  expect(full.status).toBe(413);
  expect(JSON.stringify(await full.json())).toContain("does not fit");
  await container.execute("open('rest', 'wb').write(bytes(30 << 20))");
  expect(await container.print("print('no space, and it prints')")).toBe(
    "no space, and it prints\n",
  );
  await container.print(
    "import os\nfor name in ('filler', 'rest', 'y'):\n    if os.path.exists(name): os.remove(name)",
  );
  expect((await send(server, "PUT", `${path}/y`, bytes(1000))).status).toBe(200);
});

test("a listing of a hostile tree is bounded and answers", async () => {
  const own = await createContainer(server);
  await own.print(`import os
for _ in range(16): os.mkdir('d' * 250); os.chdir('d' * 250)
for number in range(3000): open('f' * 200 + str(number), 'w').close()
os.chdir('/workspace')`);
  const response = await send(server, "GET", `/v1/containers/${own.id}/files`);
  expect(response.status).toBe(200);
  expect((await response.text()).length).toBeLessThan(8 << 20);
  expect(await own.print("print('alive')")).toBe("alive\n");
});

test("outputs: regular files only, types by name, sizes bounded and said", async () => {
  const answer = await container.execute(`import os
out = os.environ['OUTPUT_DIR']
open(out + '/a.csv', 'w').write('1,2'); open(out + '/b.unknown', 'w').write('x')
os.symlink('/etc/passwd', out + '/link'); os.mkfifo(out + '/pipe'); os.mkdir(out + '/sub'); open(out + '/sub/c', 'w').close()
os.link(out + '/a.csv', out + '/hard.csv')
open(out + '/new\\nline', 'w').close(); open(os.fsencode(out) + b'/\\xff', 'w').close()
with open(out + '/sparse', 'wb') as file: file.truncate(39 << 20)`);
  expect(answer.files.map(({ filename, mime_type }) => [filename, mime_type])).toEqual([
    ["a.csv", "text/csv"],
    ["b.unknown", "application/octet-stream"],
    ["hard.csv", "text/csv"],
  ]);
  expect(answer.notice).toContain("sparse");
  const next = await container.execute(
    "print(os.environ['OUTPUT_DIR'] != out, os.listdir(os.environ['OUTPUT_DIR']))",
  );
  expect(next.stdout).toBe("True []\n");
  expect(next.files).toEqual([]);
});
