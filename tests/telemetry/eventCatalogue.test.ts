import { afterAll, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventsForQueries, eventsPage, readCatalogue } from '../../local/eventCatalogue.ts';

const root = join(import.meta.dirname, '..', '..');
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A catalogue of one file in a temporary folder. */
function catalogueOf(source: string): ReturnType<typeof readCatalogue> {
  const folder = mkdtempSync(join(tmpdir(), 'catalogue-'));
  folders.push(folder);
  mkdirSync(join(folder, 'shared', 'telemetry'), { recursive: true });
  writeFileSync(join(folder, 'tsconfig.json'), readFileSync(join(root, 'tsconfig.json')));
  writeFileSync(
    join(folder, 'shared', 'telemetry', 'log.ts'),
    readFileSync(join(root, 'shared', 'telemetry', 'log.ts')),
  );
  writeFileSync(
    join(folder, 'shared', 'telemetry', 'roomEvents.ts'),
    `import type { Level, LogEvent } from './log.ts';\n${source}`,
  );
  return readCatalogue(folder);
}

describe('the catalogue is read from its source', () => {
  test('a function: name, level, fields with their types, its comment', () => {
    expect(
      catalogueOf(`
        /** Said when
         *  it is. */
        export function happened(of: {
          readonly id: string;
          readonly ms: number;
          readonly first: boolean;
          readonly cause: 'a' | 'b';
          readonly words: string | undefined;
          readonly code?: number;
        }): LogEvent {
          return { name: 'room.happened', level: 'info', fields: of };
        }`),
    ).toEqual([
      {
        name: 'room.happened',
        levels: ['info'],
        fields: [
          { name: 'id', type: 'string', optional: false },
          { name: 'ms', type: 'number', optional: false },
          { name: 'first', type: 'boolean', optional: false },
          { name: 'cause', type: 'string', optional: false },
          { name: 'detail', type: 'string', optional: true },
          { name: 'code', type: 'number', optional: true },
        ],
        detail: 'Said when it is.',
        file: 'roomEvents',
      },
    ]);
  });

  test('fields that the function makes itself, and a level that it chooses', () => {
    expect(
      catalogueOf(`
        export const settled = (of: { readonly id: string }, late: boolean): LogEvent => ({
          name: 'room.settled', level: late ? 'warn' : 'info', fields: { ...of, late },
        });`),
    ).toMatchObject([
      {
        levels: ['warn', 'info'],
        fields: [
          { name: 'late', type: 'boolean' },
          { name: 'id', type: 'string' },
        ],
      },
    ]);
  });

  test('events that a helper makes from constants', () => {
    expect(
      catalogueOf(`
        const line = <Given extends LogEvent['fields']>(name: string, level: Level) =>
          (fields: Given): LogEvent => ({ name: \`room.\${name}\`, level, fields });
        export const roomEvents = {
          /** First. */
          one: line<{ id: string }>('one', 'debug'),
          two: line<{ count: number }>('two', 'error'),
        };`),
    ).toMatchObject([
      { name: 'room.one', levels: ['debug'], fields: [{ name: 'id', type: 'string' }], detail: 'First.' },
      { name: 'room.two', levels: ['error'], fields: [{ name: 'count', type: 'number' }] },
    ]);
  });

  test('types, constants and helpers of the file are no events', () => {
    expect(
      catalogueOf(`
        export interface Of { readonly id: string }
        export const most = 5;
        export const short = (text: string): string => text.slice(0, most);`),
    ).toEqual([]);
  });

  test.each([
    [
      'a name that is no constant',
      `export const x = (name: string): LogEvent => ({ name, level: 'info', fields: {} });`,
    ],
    ['no object literal', `declare const other: LogEvent; export const x = (): LogEvent => other;`],
    [
      'a field that is an object',
      `export const x = (of: { a: { b: string } }): LogEvent => ({ name: 'r.x', level: 'info', fields: of as never });
       export const y = (of: { a: string | number }): LogEvent => ({ name: 'r.y', level: 'info', fields: of });`,
    ],
  ])('%s is refused', (_what, source) => {
    expect(() => catalogueOf(source)).toThrow();
  });
});

describe('what is made from it is up to date (npm run events)', () => {
  const events = readCatalogue(root);

  test('docs/events.md', () => {
    expect(readFileSync(join(root, 'docs', 'events.md'), 'utf8')).toBe(eventsPage(events));
  });

  test('infra/events.json', () => {
    expect(readFileSync(join(root, 'infra', 'events.json'), 'utf8')).toBe(eventsForQueries(events));
  });

  test('no two events share a name, and each name is its room’s', () => {
    const names = events.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, file } of events) {
      expect([file, name]).toEqual([file, expect.stringMatching(/^[a-z]+\.[a-z][A-Za-z]*$/)]);
    }
  });

  test('no field can hold a secret or content by its name', () => {
    const fields = events.flatMap(({ name, fields: all }) => all.map((field) => `${name}: ${field.name}`));
    expect(fields.length).toBeGreaterThan(50);
    expect(
      fields.filter((field) =>
        /: .*(token|secret|password|subject|body|html|assertion|verifier)/i.test(field),
      ),
    ).toEqual([]);
  });
});
