/** From the schema of a request to the part of JSON Schema that llama.cpp's grammars are made of. */

/** `anyOf`, which clients write for optional fields, is `oneOf` there; what else it does not know, it passes over. */
export function toGrammarSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(toGrammarSchema);
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key === "anyOf" ? "oneOf" : key,
      key === "enum" || key === "const" ? value : toGrammarSchema(value),
    ]),
  );
}
