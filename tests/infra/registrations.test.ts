// The template against what the package registers: the functions of the bundle, loaded as the host loads them.
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPackage } from '../../local/build/buildPackage.ts';
import { parseSchedule } from '../../shared/config/ncrontab.ts';
import type { Binding } from '../../local/functionsHost/coreModule.ts';
import { loadOnly } from '../../local/functionsHost/functionsHost.ts';
import { systemClock } from '../../shared/clock.ts';
import { appSettings, layOut, only, root } from './bench.ts';
import { at, detail, list } from './json.ts';

// The compiler is another process, and the machine may be busy.
jest.setTimeout(120_000);

const bench = layOut();
const prod = await bench.predict('prod.public.bicepparam', 'rg-mail-prod');
const settings = appSettings(prod);
const folder = mkdtempSync(join(tmpdir(), 'package-'));
let triggers: ReadonlyMap<string, Binding>;

beforeAll(async () => {
  await buildPackage(folder);
  const { functions } = await loadOnly({
    appFolder: folder,
    settings: { ...process.env },
    clock: systemClock,
    log: () => undefined,
  });
  triggers = new Map(
    functions.flatMap(({ name, bindings }) =>
      Object.values(bindings)
        .filter(({ type }) => /trigger$/i.test(type))
        .map((binding): [string, Binding] => [name, binding]),
    ),
  );
}, 120_000);

afterAll(() => {
  bench.remove();
  rmSync(folder, { recursive: true, force: true });
});

const ofType = (type: string): readonly (readonly [string, Binding])[] =>
  [...triggers].filter(([, binding]) => binding.type === type);

describe('what the bundle registers', () => {
  test('every queue that a function is bound to is made, with its poison queue unless it is one', () => {
    const made = new Set(
      prod.resources
        .filter(({ type }) => type.endsWith('/queueServices/queues'))
        .map(({ name }) => name.split('/').at(-1)),
    );
    const bound = ofType('queueTrigger').map(([, binding]) => detail(binding, 'queueName'));
    expect(bound.length).toBeGreaterThanOrEqual(2);
    for (const queue of bound) {
      expect([queue, made.has(queue)]).toEqual([queue, true]);
      if (!queue.endsWith('-poison')) expect([queue, made.has(`${queue}-poison`)]).toEqual([queue, true]);
    }
  });

  test('every connection that a function names is among the settings, by identity', () => {
    for (const [name, binding] of ofType('queueTrigger')) {
      const connection = detail(binding, 'connection');
      expect([name, settings.get(`${connection}__credential`)]).toEqual([name, 'managedidentity']);
    }
  });

  test('every schedule is a setting of the template, and six fields that the host can read', () => {
    const timers = ofType('timerTrigger');
    expect(timers.length).toBeGreaterThanOrEqual(4);
    for (const [name, binding] of timers) {
      const written = detail(binding, 'schedule');
      // The first must run while no setting can be read; for the second no hour matters.
      if (name === 'settlePoison' || name === 'exportOutbox') {
        expect(parseSchedule(written).kind).toBe('ok');
        continue;
      }
      const setting = /^%(\w+)%$/.exec(written)?.[1] ?? `${name} has no setting`;
      const schedule = settings.get(setting);
      expect([setting, schedule]).toEqual([setting, expect.any(String)]);
      expect(parseSchedule(schedule ?? '').kind).toBe('ok');
    }
  });

  test('no route is one that the host reserves, and the way back of a sign-in is the registered one', () => {
    for (const [name, binding] of ofType('httpTrigger')) {
      const route = typeof binding['route'] === 'string' ? binding['route'] : name;
      expect([name, /^(admin|runtime)/i.test(route)]).toEqual([name, false]);
      if (name === 'connectCallback') expect(route).toBe('oauth/callback');
    }
    expect(readFileSync(join(root, 'infra', 'entra.bicep'), 'utf8')).toContain("/api/oauth/callback'");
  });

  test('cost.md counts the functions that zoneRedundant keeps two instances of', () => {
    const page = readFileSync(join(root, 'docs', 'cost.md'), 'utf8');
    const count = ofType('timerTrigger').length + ofType('queueTrigger').length;
    const instances = 2 * (count + 1);
    expect(page).toContain(`; ${String(count)} functions and the HTTP group `);
    expect(page).toContain(`| ${String(instances)} × $21 = $${String(instances * 21)} `);
  });

  test('the queries name functions that are there', () => {
    const folder = join(root, 'infra', 'queries', 'alerts');
    const named = readdirSync(folder).flatMap((file) => [
      ...readFileSync(join(folder, file), 'utf8').matchAll(/OperationName == '(\w+)'/g),
    ]);
    for (const match of named) expect([...triggers.keys()]).toContain(match[1]);
  });

  test('what is kept warm is a function of the bundle', () => {
    const warm = list(
      only(prod, 'Microsoft.Web/sites'),
      ...['properties', 'functionAppConfig', 'scaleAndConcurrency', 'alwaysReady'],
    ).map((group) => detail(group, 'name'));
    for (const group of warm) {
      expect([...triggers.keys(), 'http']).toContain(group.replace(/^function:/, ''));
    }
    expect(at(warm, 0)).toBe('function:sendMail');
  });
});
