import { describe, expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { catalogues, eventsForQueries, eventsNeverLogged, eventsPage } from '../../local/eventCatalogue.ts';
import { defineEvent } from '../../shared/telemetry/event.ts';

const root = join(import.meta.dirname, '..', '..');
const events = Object.entries(catalogues).flatMap(([catalogue, all]) =>
  Object.entries(all).map(([key, definition]) => ({ catalogue, key, ...definition })),
);
const sources = globSync(['shared/**/*.ts', 'functions/**/*.ts'], { cwd: root })
  .filter((path) => !/shared.telemetry./.test(path))
  .map((path) => readFileSync(join(root, path), 'utf8'));

describe('an event is data and a function', () => {
  const happened = defineEvent('module.happened', 'warn', 'Something happened.', {
    id: 'string',
    count: 'number',
    code: 'string?',
  });

  test('it carries its definition', () => {
    const { event, level, detail, fields } = happened;
    expect({ event, level, detail, fields }).toEqual({
      event: 'module.happened',
      level: 'warn',
      detail: 'Something happened.',
      fields: { id: 'string', count: 'number', code: 'string?' },
    });
  });

  test('called with the values of its fields it makes the line that is logged', () => {
    expect(happened({ id: 'a', count: 2 })).toEqual({
      name: 'module.happened',
      level: 'warn',
      fields: { id: 'a', count: 2 },
    });
  });

  test('the types of its fields are checked', () => {
    // @ts-expect-error count is a number
    happened({ id: 'a', count: 'two' });
    // @ts-expect-error id is required
    happened({ count: 2 });
    // @ts-expect-error there is no such field
    happened({ id: 'a', count: 2, other: 1 });
    expect(happened({ id: 'a', count: 2, code: undefined }).fields).toHaveProperty('code');
  });
});

describe('what is generated is up to date (npm run generate)', () => {
  test('docs/events.md', () => {
    expect(readFileSync(join(root, 'docs', 'events.md'), 'utf8')).toBe(eventsPage());
  });

  test('infra/events.json', () => {
    expect(readFileSync(join(root, 'infra', 'events.json'), 'utf8')).toBe(eventsForQueries());
  });
});

describe('the catalogue', () => {
  test('every event is called somewhere in shared/ or functions/', () => {
    expect(sources.length).toBeGreaterThan(100);
    expect(eventsNeverLogged(sources)).toEqual([]);
  });

  test('an event whose only call is taken away is found', () => {
    const without = sources.map((source) => source.replaceAll('outboundEvents.claimed(', 'somethingElse('));
    expect(eventsNeverLogged(without)).toEqual(['outboundEvents.claimed']);
  });

  test('each name is its module and its key', () => {
    for (const { catalogue, key, event } of events) {
      expect(event).toBe(`${catalogue.replace(/Events$/, '')}.${key}`);
    }
  });

  test('each event has a sentence of its own', () => {
    expect(events.map(({ detail }) => detail).filter((detail) => !/^[A-Z].*\.$/.test(detail))).toEqual([]);
    expect(new Set(events.map(({ detail }) => detail)).size).toBe(events.length);
  });

  test('no field can hold a secret or content by its name', () => {
    const fields = events.flatMap(({ event, fields: all }) => Object.keys(all).map((f) => `${event}: ${f}`));
    expect(fields.length).toBeGreaterThan(50);
    expect(
      fields.filter((field) =>
        /: .*(token|secret|password|subject|body|html|assertion|verifier)/i.test(field),
      ),
    ).toEqual([]);
  });
});
