/** Values of the `anthropic-beta` header. */
export function readBetas(headers: Headers): ReadonlySet<string> {
  const values = (headers.get("anthropic-beta") ?? "").split(",").map((value) => value.trim());
  return new Set(values.filter((value) => value !== ""));
}
