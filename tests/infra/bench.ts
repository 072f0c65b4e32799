// The bench that infra/ is checked on: a copy of it in a temporary folder, the Bicep CLI, and Graph's types from
// beside the project or from the registry. With neither, entra.bicep is replaced by one that declares nothing.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findBicep } from '../../local/build/bicep.ts';
import { Compiler } from './compiler.ts';
import { at, detail, list, optional, record } from './json.ts';

export const root = join(import.meta.dirname, '..', '..');

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  /** Where the CLI writes its diagnostics, a line each. */
  readonly stderr: string;
}

/** What one resource of the deployment will be; what only Azure knows stays an expression in brackets. */
export interface Predicted {
  readonly type: string;
  readonly name: string;
  readonly id: string;
  readonly resource: unknown;
}

export interface Prediction {
  readonly resources: readonly Predicted[];
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export interface Bench {
  readonly folder: string;
  /** Where Graph's types came from; undefined: the Entra part can't be checked here. */
  readonly graphTypes: 'beside the project' | 'registry' | undefined;
  bicep(...args: readonly string[]): Run;
  /**
   * Evaluates a parameter file's deployment, without Azure. Without a resource group: into the subscription. `edit`
   * changes the file's text first, in the copy; by default its examples are filled in.
   */
  predict(parameterFile: string, resourceGroup?: string, edit?: Edit): Promise<Prediction>;
  /** The template that a file compiles to. */
  compile(file: string): Promise<unknown>;
  /** Every .bicep and .bicepparam file, relative to the folder. */
  files(): readonly string[];
  remove(): void;
}

export type Edit = (text: string) => string;

/** What somebody would make of a parameter file: its examples (the indented comments), and ids where it has none. */
export const withExamples: Edit = (text) =>
  text
    .replaceAll(/^( +)\/\/ /gm, '$1')
    .replace("param senderPrincipalId = ''", `param senderPrincipalId = '${senderId}'`)
    .replace("param consumerPrincipalId = ''", `param consumerPrincipalId = '${consumerId}'`);

/** The same, with everything that is off by default. */
export const withIntake: Edit = (text) => `${withExamples(text)
  .replace('deleteLock = false', 'deleteLock = true')
  .replace('// param monthlyBudget', 'param monthlyBudget')}
param zoneRedundant = true
param storeAudit = 'all'
param smtpIntake = {
  image: 'registry.contoso.example/intake@sha256:0000000000000000000000000000000000000000000000000000000000000000'
  registry: 'registry.contoso.example'
  hostName: 'smtp.contoso.example'
  allowedAddresses: ['203.0.113.7/32']
  start: true
  trustAllowed: true
}
`;

export const senderId = '11111111-1111-4111-8111-111111111111';
export const consumerId = '22222222-2222-4222-8222-222222222222';
export const subscriptionId = 'aaaaaaaa-0000-4000-8000-000000000001';
export const tenantId = 'bbbbbbbb-0000-4000-8000-000000000002';

/** Lays infra/ out in a temporary folder. Whoever calls it removes it. */
export function layOut(): Bench {
  const found = findBicep();
  if (found === undefined)
    throw new Error('No Bicep CLI: node local/start.mjs local/build/bicep.ts gets one');
  const program = found;
  const folder = mkdtempSync(join(tmpdir(), 'infra-'));
  cpSync(join(root, 'infra'), folder, { recursive: true });
  const bicep = (...args: readonly string[]): Run =>
    spawnSync(program, args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  let started: Compiler | undefined;
  const compiler = (): Compiler => (started ??= new Compiler(program, folder));
  return {
    folder,
    graphTypes: placeGraphTypes(folder, bicep),
    bicep,
    predict: (parameterFile, resourceGroup, edit = withExamples) =>
      predict({ folder, compiler: compiler(), parameterFile, resourceGroup, edit }),
    compile: async (file) => {
      const answer = await compiler().ask('bicep/compile', { path: join(folder, file) });
      if (at(answer, 'success') !== true) throw new Error(complaintsOf(answer));
      const template: unknown = JSON.parse(detail(answer, 'contents'));
      return template;
    },
    files: () =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.bicep(param)?$/.test(name))
        .map((name) => name.replaceAll('\\', '/'))
        .sort(),
    remove: () => {
      started?.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function placeGraphTypes(folder: string, bicep: Bench['bicep']): Bench['graphTypes'] {
  const types = join(root, '..', 'shared', 'graph-types', 'index.json');
  if (existsSync(types)) {
    const run = bicep('publish-extension', types, '--target', './graph.tgz', '--force');
    if (run.status !== 0) throw new Error(`publish-extension failed: ${run.stderr}`);
    const path = join(folder, 'bicepconfig.json');
    const offline = readFileSync(path, 'utf8').replace(/"br:[^"]+"/, '"./graph.tgz"');
    writeFileSync(path, offline);
    return 'beside the project';
  }
  // Restoring says it succeeded even where it did not: building tells. Without a network it asks for long.
  if (resolves('mcr.microsoft.com') && bicep('build', 'entra.bicep', '--stdout').status === 0)
    return 'registry';
  writeFileSync(join(folder, 'entra.bicep'), withoutGraph(readFileSync(join(folder, 'entra.bicep'), 'utf8')));
  return undefined;
}

function resolves(hostName: string): boolean {
  const script =
    'require("node:dns").lookup(process.argv[1], (error) => process.exit(error === null ? 0 : 1))';
  return spawnSync(process.execPath, ['-e', script, hostName], { timeout: 5_000 }).status === 0;
}

/** The same parameters and outputs, and no resource: what main.bicep needs to be checked without Graph's types. */
function withoutGraph(source: string): string {
  const kept = source.split('\n').filter((line) => /^(import|param) /.test(line));
  const outputs = [...source.matchAll(/^output (\w+) string/gm)].map(
    (match) => `output ${String(match[1])} string = ''`,
  );
  return ['#disable-diagnostics no-unused-params', ...kept, ...outputs, ''].join('\n');
}

interface PredictionOptions {
  readonly folder: string;
  readonly compiler: Compiler;
  readonly parameterFile: string;
  readonly resourceGroup: string | undefined;
  readonly edit: Edit;
}

let lastFile = 0;

async function predict(options: PredictionOptions): Promise<Prediction> {
  const { folder, compiler, parameterFile, resourceGroup, edit } = options;
  const given = join(folder, parameterFile);
  lastFile += 1;
  const path = join(dirname(given), `predicted${String(lastFile)}.bicepparam`);
  writeFileSync(path, edit(readFileSync(given, 'utf8')));
  try {
    // A snapshot of what does not compile is refused without a reason.
    const compiled = await compiler.ask('bicep/compileParams', { path, parameterOverrides: {} });
    if (at(compiled, 'success') !== true) throw new Error(complaintsOf(compiled));
    const metadata = { subscriptionId, tenantId, resourceGroup, location: 'northeurope' };
    const text = detail(await compiler.ask('bicep/getSnapshot', { path, metadata }), 'snapshot');
    const snapshot: unknown = JSON.parse(text);
    const resources = list(snapshot, 'predictedResources').map((resource) => ({
      type: detail(resource, 'type'),
      name: optional(resource, 'name'),
      id: optional(resource, 'id'),
      resource,
    }));
    return { resources, outputs: record(at(snapshot, 'outputs')), text };
  } finally {
    rmSync(path);
  }
}

const complaintsOf = (answer: unknown): string =>
  list(answer, 'diagnostics')
    .map((one) => `${String(at(one, 'code'))}: ${String(at(one, 'message'))}`)
    .join('\n');

/** The app's settings in a prediction, by name. */
export function appSettings(prediction: Prediction): ReadonlyMap<string, string> {
  const app = only(prediction, 'Microsoft.Web/sites');
  return new Map(
    list(app, 'properties', 'siteConfig', 'appSettings').map((setting) => [
      detail(setting, 'name'),
      detail(setting, 'value'),
    ]),
  );
}

/** The one resource of a type. */
export function only(prediction: Prediction, type: string): unknown {
  const found = every(prediction, type);
  if (found.length !== 1) throw new Error(`${String(found.length)} resources of ${type}`);
  return found[0];
}

export function every(prediction: Prediction, type: string): readonly unknown[] {
  return prediction.resources.filter((one) => one.type === type).map((one) => one.resource);
}
