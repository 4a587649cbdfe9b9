/** The table of routes, one line each. */
import type { CheckKey } from "./auth.ts";
import {
  cancelBatch,
  createBatch,
  deleteBatch,
  getBatch,
  getBatchResults,
  listBatches,
} from "./batches.ts";
import { getContainerFile, listContainerFiles, putContainerFile } from "./container-files.ts";
import {
  branchContainer,
  createCheckpoint,
  deleteCheckpoint,
  keepBranch,
  listCheckpoints,
  restoreCheckpoint,
} from "./checkpoints.ts";
import {
  createContainer,
  deleteContainer,
  executeInContainer,
  getContainer,
  listContainers,
} from "./containers.ts";
import { countTokens } from "./count-tokens.ts";
import { deleteFile, getFile, getFileContent, listFiles, uploadFile } from "./files.ts";
import { showHealth, showLanding } from "./health.ts";
import { mountMessages } from "./messages-mount.ts";
import { getModel, listModels } from "./models.ts";
import type { AppHandler, Services } from "./services.ts";
import { showUsage } from "./usage.ts";

export interface Route {
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  handler: AppHandler;
}

export function createRoutes(services: Services, checkKey: CheckKey): Route[] {
  return [
    { method: "GET", path: "/", handler: showLanding(services) },
    { method: "GET", path: "/healthz", handler: showHealth(services, checkKey) },
    { method: "POST", path: "/v1/messages", handler: mountMessages(services) },
    { method: "POST", path: "/v1/messages/count_tokens", handler: countTokens(services) },
    { method: "POST", path: "/v1/messages/batches", handler: createBatch(services) },
    { method: "GET", path: "/v1/messages/batches", handler: listBatches(services) },
    { method: "GET", path: "/v1/messages/batches/:id", handler: getBatch(services) },
    { method: "DELETE", path: "/v1/messages/batches/:id", handler: deleteBatch(services) },
    { method: "POST", path: "/v1/messages/batches/:id/cancel", handler: cancelBatch(services) },
    { method: "GET", path: "/v1/messages/batches/:id/results", handler: getBatchResults(services) },
    { method: "GET", path: "/v1/models", handler: listModels(services) },
    { method: "GET", path: "/v1/models/:id{.+}", handler: getModel(services) },
    { method: "POST", path: "/v1/containers", handler: createContainer(services) },
    { method: "GET", path: "/v1/containers", handler: listContainers(services) },
    { method: "GET", path: "/v1/containers/:id", handler: getContainer(services) },
    { method: "DELETE", path: "/v1/containers/:id", handler: deleteContainer(services) },
    { method: "POST", path: "/v1/containers/:id/execute", handler: executeInContainer(services) },
    { method: "POST", path: "/v1/containers/:id/checkpoints", handler: createCheckpoint(services) },
    { method: "GET", path: "/v1/containers/:id/checkpoints", handler: listCheckpoints(services) },
    {
      method: "POST",
      path: "/v1/containers/:id/checkpoints/:name/restore",
      handler: restoreCheckpoint(services),
    },
    {
      method: "DELETE",
      path: "/v1/containers/:id/checkpoints/:name",
      handler: deleteCheckpoint(services),
    },
    { method: "POST", path: "/v1/containers/:id/branch", handler: branchContainer(services) },
    {
      method: "POST",
      path: "/v1/containers/:id/branch/:branch/keep",
      handler: keepBranch(services),
    },
    { method: "GET", path: "/v1/containers/:id/files", handler: listContainerFiles(services) },
    { method: "PUT", path: "/v1/containers/:id/files/*", handler: putContainerFile(services) },
    { method: "GET", path: "/v1/containers/:id/files/*", handler: getContainerFile(services) },
    { method: "POST", path: "/v1/files", handler: uploadFile(services) },
    { method: "GET", path: "/v1/files", handler: listFiles(services) },
    { method: "GET", path: "/v1/files/:id", handler: getFile(services) },
    { method: "DELETE", path: "/v1/files/:id", handler: deleteFile(services) },
    { method: "GET", path: "/v1/files/:id/content", handler: getFileContent(services) },
    { method: "GET", path: "/v1/usage", handler: showUsage(services) },
  ];
}
