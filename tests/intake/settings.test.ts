import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { intakeSettingsTable, readIntakeSettings } from '../../intake/settings/readIntakeSettings.ts';
import { isIn, networkList } from '../../intake/settings/networks.ts';

const good = {
  name: 'esm-1',
  bridge: { url: 'https://bridge.example/', keyFile: '/k' },
  spool: { folder: '/spool/' },
};

test('the least that is needed', () => {
  const answer = readIntakeSettings(JSON.stringify(good));
  expect(answer).toMatchObject({
    kind: 'ok',
    settings: {
      bridge: { url: 'https://bridge.example', keyFile: '/k' },
      spool: { folder: '/spool', freeMinimumBytes: 1_024_000_000, lock: 'local' },
      listeners: [{ address: '127.0.0.1', port: 587, isLoopback: true }],
      login: { trustedNetworks: [], anyLogin: true },
      unknownFrom: { kind: 'refuse' },
      connectionsMost: 100,
    },
  });
});

test('the example of the package', () => {
  const path = join(import.meta.dirname, '..', '..', 'intake', 'packaging', 'intake.example.json');
  expect(readIntakeSettings(readFileSync(path, 'utf8')).kind).toBe('ok');
});

describe('one mistake a file', () => {
  const folder = join(import.meta.dirname, 'badSettings');
  const shape = z.strictObject({
    mistake: z.string(),
    settings: z.record(z.string(), z.unknown()),
    expected: z.array(z.string()).min(1),
  });

  test.each(readdirSync(folder))('%s', (file) => {
    const { settings, expected } = shape.parse(JSON.parse(readFileSync(join(folder, file), 'utf8')));
    const merged = Object.fromEntries(
      Object.entries<unknown>({ ...good, ...settings }).filter(([, value]) => value !== null),
    );
    const answer = readIntakeSettings(JSON.stringify(merged));
    const problems = answer.kind === 'problems' ? answer.problems : [];
    expect(problems.map(({ setting }) => setting)).toEqual(expected);
    for (const { setting, detail } of problems) {
      expect(detail.startsWith(setting.split('[')[0] ?? '')).toBe(true);
      expect(detail).toMatch(/^[\x20-\x7e]{10,500}[.?]$/);
      expect(detail).not.toContain('canary');
    }
  });

  test('and all of them at once are reported at once', () => {
    const answer = readIntakeSettings(
      '{"listen":1,"bridge":{},"unknownFrom":"rewrite","connections":"many"}',
    );
    expect(answer.kind === 'problems' && answer.problems.map(({ setting }) => setting).toSorted()).toEqual([
      'bridge.keyFile',
      'bridge.url',
      'connections',
      'listen',
      'name',
      'rewriteTo',
      'spool',
    ]);
  });

  test.each(['', '{', '[]', 'null', '"x"'])('%j is no settings file', (text) => {
    expect(readIntakeSettings(text)).toMatchObject({ kind: 'problems', problems: [{ setting: 'settings' }] });
  });
});

test('docs/intake.md has every setting, as the parser has it', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'intake.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `([\w.[\]]+)` +\| (.*?) +\| (.*?) +\|$/gm)].map(
    ([, name, without, what]) => [name, without, what],
  );
  expect(rows).toEqual(
    Object.entries(intakeSettingsTable).map(([name, { without, what }]) => [name, without, what]),
  );
});

test('networks', () => {
  const list = networkList(['10.1.2.0/24', '192.0.2.7', 'fd00::/8']);
  if (list === undefined) throw new Error('no list');
  expect(['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.7', 'fd12::1'].map((one) => isIn(list, one))).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(['10.1.3.3', '192.0.2.8', 'fe80::1', 'x', ''].map((one) => isIn(list, one))).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
});
