/**
 * Tools that the Messages API describes and the client runs: a shell, a text editor, a memory.
 *
 * A client declares them by type and name only, because the hosted models know them. Other models do not, so
 * they are shown the tool as one with a description and a schema; a use reaches the client in the same form.
 */
import { GatewayError } from "../errors.ts";
import type { ModelTool } from "../providers/provider.ts";
import { cacheControl } from "./cache-control.ts";
import type { WireTool } from "./schema.ts";

const text = { type: "string" };
const line = { type: "integer" };

const view = {
  path: text,
  view_range: {
    type: "array",
    items: line,
    description: "For view: first and last line, counted from 1; -1 is the end of the file.",
  },
};

const edits = {
  file_text: { ...text, description: "For create: the whole content of the file." },
  old_str: { ...text, description: "For str_replace: what to replace; it must occur once." },
  new_str: { ...text, description: "For str_replace: what to put in its place." },
  insert_line: {
    ...line,
    description: "For insert: the line to insert after; 0 is the beginning.",
  },
  insert_text: { ...text, description: "For insert: the text to insert." },
};

const bash: ModelTool = {
  name: "bash",
  description:
    "Runs a command in a bash session on the user's machine. The session goes on between calls: its folder, variables and files stay. Commands cannot be interactive.",
  input_schema: {
    type: "object",
    properties: {
      command: { ...text, description: "The command to run. Required unless restart is true." },
      restart: { type: "boolean", description: "Starts the session anew instead." },
    },
  },
};

const memory: ModelTool = {
  name: "memory",
  description:
    "Keeps notes in files below /memories, which stay between conversations. View /memories before you begin a task, and write down what later conversations will need.",
  input_schema: {
    type: "object",
    properties: {
      command: commands("view", "create", "str_replace", "insert", "delete", "rename"),
      ...view,
      ...edits,
      old_path: { ...text, description: "For rename: the path of the file." },
      new_path: { ...text, description: "For rename: its new path." },
    },
    required: ["command"],
  },
};

const TOOLS: Readonly<Record<string, ModelTool>> = {
  bash_20241022: bash,
  bash_20250124: bash,
  text_editor_20241022: editor("str_replace_editor", "undo_edit"),
  text_editor_20250124: editor("str_replace_editor", "undo_edit"),
  text_editor_20250429: editor("str_replace_based_edit_tool"),
  text_editor_20250728: editor("str_replace_based_edit_tool"),
  memory_20250818: memory,
};

/** The tool as a model is shown it; null when the type is none of these. */
export function describeClientTool(tool: WireTool, path: string): ModelTool | null {
  const known = Object.hasOwn(TOOLS, tool.type ?? "") ? TOOLS[tool.type ?? ""] : undefined;
  if (known === undefined) return null;
  if (tool.name !== known.name) {
    throw new GatewayError("invalid_request", `${path}.name: Input should be '${known.name}'`);
  }
  return { ...known, ...cacheControl(tool) };
}

function editor(name: string, ...more: string[]): ModelTool {
  return {
    name,
    description:
      "Views, creates and edits text files on the user's machine. A view of a folder lists it.",
    input_schema: {
      type: "object",
      properties: {
        command: commands("view", "create", "str_replace", "insert", ...more),
        ...view,
        ...edits,
      },
      required: ["command", "path"],
    },
  };
}

function commands(...names: string[]): object {
  return { ...text, enum: names };
}
