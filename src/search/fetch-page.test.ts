import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

import { startLoopback, type Answer } from "../../test/fixtures/search-servers.ts";
import { mayConnect } from "./address.ts";
import { createPageFetcher } from "./fetch-page.ts";
import { readPage } from "./read-page.ts";

const signal = new AbortController().signal;
const noReader = { read: () => Promise.resolve(null) };

/** Only the first address of loopback counts as the internet here. */
const fetcher = createPageFetcher({
  timeoutMs: 1500,
  bytesMax: 1024 * 1024,
  mayConnect: (address) => address === "127.0.0.1",
});

async function open(answer: Answer, path = "/", mayOpen: (url: string) => boolean = () => true) {
  await using server = await startLoopback(answer);
  const page = await fetcher.fetch(`${server.url}${path}`, mayOpen, signal);
  return { page, text: await readPage(page, noReader, signal), asked: server.asked };
}

const html =
  (body: string | Buffer, type = "text/html"): Answer =>
  (_, response) =>
    void response.writeHead(200, { "content-type": type }).end(body);

test("a page in words: title, tables as rows, links with their addresses, no scripts", async () => {
  const { text } = await open(
    html(
      "<title>Prices &amp; more</title><nav>Menu</nav><h1>Prices</h1><script>x()</script><table><tr><th>Name<th>Price<tr><td>Apple<td>228</table><p><a href='/next'>Next</a>\u200b",
    ),
  );
  expect(text.title).toBe("Prices & more");
  expect(text.text).toMatch(
    /^Prices\n\n\| Name \| Price \|\n\| Apple \| 228 \|\n\nNext \(http:\/\/127.0.0.1:\d+\/next\)$/,
  );
});

test.each<[string, Answer, string]>([
  ["the header", html(Buffer.from("K\xf6ln", "latin1"), "text/plain; charset=ISO-8859-1"), "Köln"],
  [
    "the page's own word",
    html(Buffer.from('<meta charset="windows-1252">K\xf6ln', "latin1")),
    "Köln",
  ],
  [
    "the byte order mark",
    html(Buffer.from("\ufeffKöln", "utf16le"), "text/plain; charset=utf-8"),
    "Köln",
  ],
  [
    "UTF-8 when a charset is named that there is not",
    html("Köln", "text/plain; charset=klingon"),
    "Köln",
  ],
  [
    "the page's own word, when the header's charset is none",
    html(Buffer.from('<meta charset="iso-8859-1">K\xf6ln', "latin1"), "text/html; charset=klingon"),
    "Köln",
  ],
  [
    "the page's own word, when the bytes are not what the header says",
    html(Buffer.from('<meta charset="iso-8859-1">K\xf6ln', "latin1"), "text/html; charset=utf-8"),
    "Köln",
  ],
  [
    "no fault for bytes that do not fit",
    html(Buffer.from("K\xf6ln", "latin1"), "text/plain; charset=utf-8"),
    "K\ufffdln",
  ],
])("characters by %s", async (_name, answer, expected) => {
  expect((await open(answer)).text.text).toBe(expected);
});

const redirect =
  (location: string): Answer =>
  (_, response) =>
    void response.writeHead(302, { location }).end();

test.each<[string, Answer, string]>([
  [
    "a redirect to another address of this machine",
    redirect("http://127.0.0.2:1/"),
    "url_not_allowed",
  ],
  ["a redirect to IPv6 loopback", redirect("http://[::1]:1/"), "url_not_allowed"],
  [
    "a redirect to the cloud's metadata",
    redirect("http://169.254.169.254/latest"),
    "url_not_allowed",
  ],
  ["a redirect to an address in disguise", redirect("http://0x7f000002/"), "url_not_allowed"],
  [
    "a redirect to a name of the private network",
    redirect("http://ip6-localhost.invalid/"),
    "url_not_accessible",
  ],
  ["a redirect to a file", redirect("file:///etc/passwd"), "url_not_allowed"],
  ["a redirect with a password", redirect("http://a:b@127.0.0.1/"), "url_not_allowed"],
  ["a redirect in circles", redirect("/again"), "url_not_accessible"],
  ["a redirect to no address", redirect("http://["), "url_not_accessible"],
  ["an error", (_, response) => void response.writeHead(500).end(), "url_not_accessible"],
  ["too many requests", (_, response) => void response.writeHead(429).end(), "too_many_requests"],
  ["an endless body", (_, response) => pour(response), "content_too_large"],
  [
    "a gzip bomb",
    (_, response) =>
      void response
        .writeHead(200, { "content-type": "text/html", "content-encoding": "gzip" })
        .end(gzipSync(Buffer.alloc(64 * 1024 * 1024))),
    "content_too_large",
  ],
  [
    "broken gzip",
    (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end("no gzip"),
    "url_not_accessible",
  ],
  [
    "an unknown packing",
    (_, response) => void response.writeHead(200, { "content-encoding": "zip" }).end("x"),
    "unsupported_content_type",
  ],
  ["a slow drip", (_, response) => drip(response), "url_not_accessible"],
  ["silence", () => {}, "url_not_accessible"],
  ["a hang-up", (_, response) => void response.destroy(), "url_not_accessible"],
  [
    "endless headers",
    (_, response) => void response.socket?.write(`HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(50_000)}`),
    "url_not_accessible",
  ],
  ["an image", html("png", "image/png"), "unsupported_content_type"],
  ["a PDF that is none", html("%PDF-", "application/pdf"), "url_not_accessible"],
])("a page that is %s", async (_name, answer, code) => {
  await expect(open(answer)).rejects.toMatchObject({ name: "FetchError", code });
});

function pour(response: { write(chunk: string): boolean; destroyed: boolean }): void {
  const timer = setInterval(() => {
    if (response.destroyed) clearInterval(timer);
    else response.write("x".repeat(65_536));
  }, 1);
}

function drip(response: { write(chunk: string): boolean; destroyed: boolean }): void {
  const timer = setInterval(() => {
    if (response.destroyed) clearInterval(timer);
    else response.write("x");
  }, 100);
}

test("each redirect is held against the domains, and what is sent tells nothing of us", async () => {
  const seen: string[] = [];
  const follow: Answer = ({ url }, response) =>
    url.pathname === "/"
      ? redirect("/end")({} as never, response)
      : html("end", "text/plain")({} as never, response);
  const { page, asked } = await open(follow, "/", (url) => seen.push(new URL(url).pathname) > 0);
  expect(seen).toEqual(["/", "/end"]);
  expect(new URL(page.url).pathname).toBe("/end");
  expect(Object.keys(asked[1]?.headers ?? {}).toSorted()).toEqual([
    "accept",
    "accept-encoding",
    "connection",
    "host",
    "user-agent",
  ]);
  await expect(open(follow, "/", (url) => !url.endsWith("/end"))).rejects.toMatchObject({
    code: "url_not_allowed",
  });
});

test("a name that leads to an address that is not allowed is not connected to", async () => {
  await using server = await startLoopback(html("secret"));
  const strict = createPageFetcher({
    timeoutMs: 1500,
    bytesMax: 1000,
    mayConnect: (address) => mayConnect(address, { private: false }),
  });
  const { port } = new URL(server.url);
  for (const host of ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "0", "2130706433"])
    await expect(strict.fetch(`http://${host}:${port}/`, () => true, signal)).rejects.toMatchObject(
      {
        code: "url_not_allowed",
      },
    );
  expect(server.asked).toEqual([]);
});

test("a client that goes away ends the fetch with its own reason", async () => {
  await using server = await startLoopback(() => {});
  const controller = new AbortController();
  const fetched = fetcher.fetch(server.url, () => true, controller.signal);
  controller.abort(new Error("gone"));
  await expect(fetched).rejects.toThrow("gone");
});

test("markup that takes minutes to parse is given up, and nobody waits for it", async () => {
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 100);
  await expect(open(html("<div><b>".repeat(120_000)))).rejects.toMatchObject({
    code: "content_too_large",
  });
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(5);
}, 20_000);

test.each<[string, boolean, boolean]>([
  ["8.8.8.8", true, true],
  ["2606:4700::1111", true, true],
  ["127.0.0.1", false, true],
  ["10.1.2.3", false, true],
  ["172.16.0.1", false, true],
  ["192.168.1.1", false, true],
  ["100.64.0.1", false, true],
  ["::1", false, true],
  ["fd12::1", false, true],
  ["0.0.0.0", false, false],
  ["169.254.169.254", false, false],
  ["100.100.100.200", false, false],
  ["fd00:ec2::254", false, false],
  ["fe80::1", false, false],
  ["::", false, false],
  ["::ffff:127.0.0.1", false, false],
  ["::ffff:8.8.8.8", false, false],
  ["64:ff9b::7f00:1", false, false],
  ["2002:7f00:1::", false, false],
  ["2001:db8::1", false, false],
  ["224.0.0.1", false, false],
  ["255.255.255.255", false, false],
  ["198.18.0.1", false, false],
  ["no address", false, false],
])("%s: internet %s, with private ones %s", (address, open, withPrivate) => {
  expect([mayConnect(address, { private: false }), mayConnect(address, { private: true })]).toEqual(
    [open, withPrivate],
  );
});
