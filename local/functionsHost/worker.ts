// The worker: a process of its own that loads the app and runs its functions, started by workerChannel.ts.
//
// It does what the real Node worker does and no more: it puts the core module in place, loads what the package's
// `main` names, and per invocation lets the library make the arguments, runs the hooks around the call, and
// hands back what came of it. When its host is gone it ends at once: half a host must not go on sending.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { installCoreModule, type CoreInvocation, type CoreLog, type HttpData } from './coreModule.ts';
import type { FromWorker, InvokeRequest, ToWorker } from './messages.ts';

const send = (message: FromWorker): void => {
  process.send?.(message);
};
const systemLog: CoreLog = (level, category, message) => {
  send({ kind: 'log', level, category, message });
};
const core = installCoreModule(systemLog);
const appHookData: Record<string, unknown> = {};

process.on('disconnect', () => process.exit(1));
// Signals of a terminal reach the whole group; the host decides what becomes of its worker.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'load':
      void load(message.appFolder);
      break;
    case 'invoke':
      void invoke(message);
      break;
    case 'terminate':
      void terminate();
      break;
  }
});

async function load(appFolder: string): Promise<void> {
  const startedAt = performance.now();
  try {
    process.chdir(appFolder);
    for (const file of mainFiles(appFolder)) await import(pathToFileURL(file).href);
    const capabilities = (await core.model?.getCapabilities({})) ?? {};
    if (capabilities['HttpUri'] !== undefined) throw new Error('HTTP streams are not part of the local host');
    for (const hook of core.hooks.appStart) await hook({ hookData: {}, appHookData });
    core.started = true;
    send({
      kind: 'loaded',
      functions: [...core.functions.values()].map(({ metadata }) => metadata),
      hooks: Object.entries(core.hooks).flatMap(([name, callbacks]) => callbacks.map(() => name)),
      loadMs: performance.now() - startedAt,
    });
  } catch (error) {
    send({ kind: 'loadFailed', detail: messageOf(error) });
  }
}

/** The files that `main` of the app's package.json names; it may be a pattern, and must match something. */
function mainFiles(appFolder: string): readonly string[] {
  const text = readFileSync(join(appFolder, 'package.json'), 'utf8');
  const { main } = z.object({ main: z.string() }).parse(JSON.parse(text));
  const files = globSync(main, { cwd: appFolder }).sort();
  if (files.length === 0) throw new Error(`"main" of package.json matches no file: ${main}`);
  return files.map((file) => join(appFolder, file));
}

async function invoke(request: InvokeRequest): Promise<void> {
  const { invocationId } = request;
  try {
    const http = await runFunction(request);
    send({ kind: 'done', invocationId, ...(http === undefined ? {} : { http }) });
  } catch (error) {
    send({ kind: 'done', invocationId, error: messageOf(error) });
  }
}

async function runFunction(request: InvokeRequest): Promise<HttpData | undefined> {
  const { invocationId, functionName, data, triggerMetadata, traceParent } = request;
  const registered = core.functions.get(functionName);
  if (registered === undefined || core.model === undefined) throw new Error(`No function ${functionName}`);
  const { metadata, callback } = registered;
  const trigger = Object.keys(metadata.bindings).find((name) =>
    metadata.bindings[name]?.type.toLowerCase().endsWith('trigger'),
  );
  if (trigger === undefined) throw new Error(`Function ${functionName} has no trigger`);
  const invocation: CoreInvocation = {
    invocationId,
    metadata,
    request: {
      invocationId,
      inputData: [{ name: trigger, data }],
      triggerMetadata,
      traceContext: { traceParent },
    },
    state: 'preInvocationHooks',
    log: (level, category, message) => {
      send({ kind: 'log', level, category, message, functionName, invocationId });
    },
  };
  const model = core.model.getInvocationModel(invocation);
  const { context, inputs } = await model.getArguments();
  const hookData = {};
  const before = { hookData, appHookData, invocationContext: context, functionCallback: callback, inputs };
  for (const hook of core.hooks.preInvocation) await hook(before);
  invocation.state = 'invocation';
  const after: { result: unknown; error: unknown } & Record<string, unknown> = {
    hookData,
    appHookData,
    invocationContext: context,
    inputs: before.inputs,
    result: undefined,
    error: undefined,
  };
  try {
    after.result = await model.invokeFunction(context, before.inputs, before.functionCallback);
  } catch (error) {
    after.error = error;
  }
  invocation.state = 'postInvocationHooks';
  for (const hook of core.hooks.postInvocation) await hook(after);
  // As in the worker: a function that rejects with nothing has succeeded.
  if (after.error !== undefined && after.error !== null) {
    throw after.error instanceof Error ? after.error : new Error(messageOf(after.error));
  }
  const response = await model.getResponse(context, after.result);
  return response.returnValue?.http;
}

async function terminate(): Promise<void> {
  for (const hook of core.hooks.appTerminate) {
    try {
      await hook({ hookData: {}, appHookData });
    } catch (error) {
      systemLog('error', 'system', `appTerminate hook failed: ${messageOf(error)}`);
    }
  }
  process.exit(0);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
