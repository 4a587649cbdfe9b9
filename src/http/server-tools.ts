/** The tools that Curta runs for one request: those in the container, and those of the web. */
import type { Config } from "../config.ts";
import { createBashTool } from "../tools/bash.ts";
import { createCodeExecutionTool } from "../tools/code-execution.ts";
import { createTextEditorTool } from "../tools/text-editor.ts";
import type { FileStore, Tool } from "../tools/tool.ts";
import type { MessagesRequest } from "../wire/request.ts";
import { createWebTools, type WebConfig, type WebServices } from "./web-tools.ts";

const MIB = 1024 * 1024;

export interface ServerToolsOptions {
  config: Pick<Config, "answerMb" | "resultCharacters" | "timeoutSeconds"> & WebConfig;
  web: WebServices;
  /** Keeps the files that code makes; absent where nothing is run. */
  files?: Pick<FileStore, "save">;
  /** Told of failures that are nobody's but ours. */
  onFailure: (cause: unknown) => void;
}

export function createServerTools(
  request: MessagesRequest,
  { config, web, files, onFailure }: ServerToolsOptions,
): Tool[] {
  const { turn, rendering } = request;
  const webTools = createWebTools({ ...request, services: web, config, onFailure });
  const functions = webTools.flatMap(({ definition, codeDefinition }) =>
    codeDefinition !== undefined && turn.serverFunctions.includes(definition.name)
      ? codeDefinition
      : [],
  );
  const execution = {
    timeoutMs: config.timeoutSeconds * 1000,
    resultCharacters: config.resultCharacters,
    answerBytes: config.answerMb * MIB,
    functions: [...functions, ...turn.codeTools],
    save: rendering.showsFileIds && files !== undefined ? files.save.bind(files) : undefined,
    onFailure,
  };
  return [
    createCodeExecutionTool(execution),
    createBashTool(execution),
    createTextEditorTool(execution),
    ...webTools,
  ];
}
