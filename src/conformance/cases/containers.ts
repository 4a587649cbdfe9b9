/** The request's and the answer's `container`. */
import type { Case, Context, Version } from "../case.ts";
import { instruct } from "../instructions.ts";
import { Skip, check, expectEqual } from "../verdict.ts";
import { anyVersion, declare, onlyResult, stdoutOf, take, toRequest } from "../versions.ts";

const group = "containers";

/** A container in which a file lies. */
async function fill(context: Context): Promise<{ version: Version; id: string }> {
  const version = await anyVersion(context);
  const code = 'open("/tmp/number.txt", "w").write("42")';
  const message = await take(context, version, [version.python(code)]);
  onlyResult(message);
  const id = message.container?.id;
  if (id === undefined) throw new Skip("the answer has no container");
  return { version, id };
}

async function look(context: Context, version: Version, container: unknown): Promise<string> {
  const message = await take(
    context,
    version,
    [version.python('print(open("/tmp/number.txt").read())')],
    { body: { container } },
  );
  return stdoutOf(onlyResult(message)).trim();
}

export const containerCases: readonly Case[] = [
  {
    name: "7.6.7/string",
    group,
    title: "container as a text",
    async run(context) {
      const { version, id } = await fill(context);
      expectEqual(await look(context, version, id), "42", "The file in the container");
    },
  },
  {
    name: "7.6.7/id",
    group,
    title: "container as {id}",
    async run(context) {
      const { version, id } = await fill(context);
      expectEqual(await look(context, version, { id }), "42", "The file in the container");
    },
  },
  {
    name: "7.6.7/skills",
    group,
    title: "container as {skills}: taken, or refused with a sentence about skills",
    run: (context) => trySkills(context, {}),
  },
  {
    name: "7.6.7/id-and-skills",
    group,
    title: "container as {id, skills}: taken, or refused with a sentence about skills",
    async run(context) {
      const { version, id } = await fill(context);
      await trySkills(context, { id });
      expectEqual(
        await look(context, version, { id, skills: null }),
        "42",
        "The file in the container with skills: null",
      );
    },
  },
  {
    name: "containers/expiry",
    group,
    title: "expires_at lies ahead",
    async run(context) {
      const version = await anyVersion(context);
      const message = await take(context, version, [version.python("print(1)")]);
      onlyResult(message);
      const ahead = Date.parse(message.container?.expires_at ?? "") - Date.now();
      check(ahead > 0, `expires_at is ${message.container?.expires_at}.`);
    },
  },
  {
    name: "containers/fresh",
    group,
    title: "without an id each request has a container of its own",
    async run(context) {
      const version = await anyVersion(context);
      const steps = [version.python("print(1)")];
      const first = await take(context, version, steps);
      const second = await take(context, version, steps);
      onlyResult(first);
      check(first.container?.id !== second.container?.id, "Two requests share a container.");
    },
  },
  {
    name: "containers/unknown",
    group,
    title: "an id that is not known: 400 or 404 before anything runs",
    async run(context) {
      const version = await anyVersion(context);
      const body = {
        model: context.target.model,
        max_tokens: 64,
        ...toRequest(version, []),
        container: "container_011CNotHere",
      };
      const { status } = await context.target.refusal(body, { betas: version.betas });
      check([400, 404].includes(status), `The status is ${status}.`);
    },
  },
];

async function trySkills(context: Context, more: object): Promise<void> {
  const version = await anyVersion(context);
  const answer = await context.target.send("POST", "/v1/messages", {
    json: {
      model: context.target.model,
      max_tokens: 64,
      tools: [declare(version)],
      messages: [{ role: "user", content: instruct([]) }],
      container: { ...more, skills: [{ type: "anthropic", skill_id: "xlsx", version: "latest" }] },
    },
    betas: [...version.betas, "skills-2025-10-02"],
  });
  if (answer.status === 200) return;
  expectEqual(answer.status, 400, "The status");
  check(/skill/i.test(answer.text), `The refusal does not speak of skills: ${answer.text}`);
}
