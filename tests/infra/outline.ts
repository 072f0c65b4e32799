// A deployment as lines of text, for a snapshot that a reviewer can read: each resource by type and name, and under it
// what it will be, a line for each value. Long texts (queries, the workbook) are left to their own tests, and the
// names that Azure makes are shortened.
import type { Prediction } from './bench.ts';
import { record } from './json.ts';

const longest = 300;

export function outline(prediction: Prediction): string {
  const blocks = prediction.resources
    .filter(({ type }) => type !== 'Microsoft.Authorization/roleAssignments')
    .map(({ type, name, resource }) =>
      [`${type} ${shorten(name)}`, ...lines(stripped(resource))].join('\n  '),
    );
  return `\n${blocks.join('\n')}\n`;
}

/** Roles have a test of their own; what is in the heading is not said twice. */
function stripped(resource: unknown): Readonly<Record<string, unknown>> {
  const said = ['id', 'type', 'name', 'location'];
  return Object.fromEntries(Object.entries(record(resource)).filter(([key]) => !said.includes(key)));
}

function lines(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) {
    return value.length === 0
      ? [`${path} = []`]
      : value.flatMap((one, index) => named(one, path) ?? lines(one, `${path}[${String(index)}]`));
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, one]) =>
      lines(one, path === '' ? shorten(key) : `${path}.${shorten(key)}`),
    );
  }
  const text = typeof value === 'string' ? shorten(value) : String(value);
  return [`${path} = ${text.length > longest || text.includes('\n') ? '(long text)' : text}`];
}

/** A setting is known by its name, not by its place among the others. */
function named(one: unknown, path: string): readonly string[] | undefined {
  const { name, value, ...rest } = record(one);
  if (typeof name !== 'string') return undefined;
  const only = Object.keys(rest).length === 0 && value !== undefined;
  return lines(only ? value : { value, ...rest }, `${path}[${name}]`).filter(
    (line) => !line.endsWith(' = undefined'),
  );
}

/** `[reference(…'identity-{0}'…).outputs.id.value]` is the module's output, whatever Azure calls the deployment. */
function shorten(text: string): string {
  return text
    .replaceAll(/reference\(resourceId\([^)]*?format\('(\w+)-\{0\}'.*?'2025-04-01'\)/g, '$1')
    .replaceAll(/\/subscriptions\/[0-9a-f-]+\/resourceGroups\/[\w-]+\/providers\//g, '…/');
}
