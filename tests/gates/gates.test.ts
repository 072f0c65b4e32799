// Each gate is shown to bite: a small clean tree passes it, and the same tree with one violation does not.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gates } from './gates.ts';

const root = join(import.meta.dirname, '..', '..');
let tree = '';

beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), 'gates-'));
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'), 'junction');
  for (const file of [
    'package.json',
    'tsconfig.json',
    'eslint.config.js',
    '.dependency-cruiser.cjs',
    '.prettierrc.json',
  ]) {
    cpSync(join(root, file), join(tree, file));
  }
  write('knip.json', knip);
  write(
    'functions/clean.ts',
    `import { app } from '@azure/functions';\nimport { bridge } from '../shared/bridge.ts';\n\napp.timer('clean', { schedule: '%S%', handler: bridge });\n`,
  );
  write(
    'shared/bridge.ts',
    `import { half } from './limits/half.ts';\n\nexport const bridge = (): void => {\n  half(2);\n};\n`,
  );
  write('shared/limits/half.ts', `export const half = (n: number): number => n / 2;\n`);
  write('local/other.ts', `export const other = 1;\n`);
});

// Only the finding that is planted counts: this small tree does not use the project's packages.
const knip = `{
  "entry": ["functions/clean.ts", "local/other.ts"],
  "project": ["**/*.ts"],
  "exclude": ["dependencies", "unlisted", "binaries", "unresolved"]
}
`;

afterAll(() => {
  rmSync(tree, { recursive: true, force: true });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text);
}

function pass(gate: string): { ok: boolean; output: string } {
  const found = gates.find(({ name }) => name === gate);
  if (found === undefined) throw new Error(`There is no gate named ${gate}`);
  const [name, ...args] = found.command;
  const { status, stdout, stderr } = spawnSync(join(root, 'node_modules', '.bin', name), args, {
    cwd: tree,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  return { ok: status === 0, output: stdout + stderr };
}

interface Planted {
  readonly gate: string;
  readonly what: string;
  readonly path: string;
  readonly text: string;
  /** Words that the gate says of it. */
  readonly says: RegExp;
}

const planted: readonly Planted[] = [
  {
    gate: 'format',
    what: 'a file not formatted',
    path: 'shared/limits/x.ts',
    text: 'export const x  = "a"',
    says: /x\.ts/,
  },
  {
    gate: 'lint',
    what: 'a forgotten await',
    path: 'shared/limits/x.ts',
    text: `import { setTimeout as wait } from 'node:timers/promises';\n\nexport function x(): void {\n  wait(1);\n}\n`,
    says: /no-floating-promises/,
  },
  {
    gate: 'lint',
    what: 'time taken from the machine',
    path: 'shared/limits/x.ts',
    text: 'export const x = (): number => Date.now();\n',
    says: /injected Clock/,
  },
  {
    gate: 'lint',
    what: 'chance taken from the machine',
    path: 'shared/limits/x.ts',
    text: 'export const x = (): number => Math.random();\n',
    says: /Randomness is injected/,
  },
  {
    gate: 'lint',
    what: 'an outcome forgotten in a switch',
    path: 'shared/limits/x.ts',
    text: `export function x(outcome: 'sent' | 'failed'): number {\n  switch (outcome) {\n    case 'sent':\n      return 1;\n  }\n}\n`,
    says: /switch-exhaustiveness-check/,
  },
  {
    gate: 'lint',
    what: 'a private member by keyword',
    path: 'shared/limits/x.ts',
    text: `export class X {\n  private readonly one = 1;\n  get two(): number {\n    return this.one + 1;\n  }\n}\n`,
    says: /Use #private/,
  },
  {
    gate: 'lint',
    what: 'a constant in capitals',
    path: 'shared/limits/x.ts',
    text: `export const MOST_COUNT = 1;\n`,
    says: /lowerCamel/,
  },
  {
    gate: 'lint',
    what: 'a trigger file that decides',
    path: 'functions/x.ts',
    text: `export function x(a: boolean, b: boolean): number {\n  if (a) return 1;\n  return b ? 2 : 3;\n}\n`,
    says: /complexity/,
  },
  {
    gate: 'types',
    what: 'a wrong type',
    path: 'shared/limits/x.ts',
    text: `export const x: number = 'a';\n`,
    says: /TS2322/,
  },
  {
    gate: 'types',
    what: 'an enum, which cannot be erased',
    path: 'shared/limits/x.ts',
    text: `export enum X {\n  A,\n}\n`,
    says: /TS1294/,
  },
  {
    gate: 'boundaries',
    what: 'a pure room that imports a package',
    path: 'shared/mail/x.ts',
    text: `import { z } from 'zod';\n\nexport const x = z;\n`,
    says: /mail-is-pure/,
  },
  {
    gate: 'boundaries',
    what: 'a room that imports one it may not, if only for a type',
    path: 'shared/limits/x.ts',
    text: `import type { half } from '../outbound/y.ts';\n\nexport type X = typeof half;\n`,
    says: /limits-imports/,
  },
  {
    gate: 'boundaries',
    what: 'an SDK that enters by a second door',
    path: 'shared/outbound/x.ts',
    text: `import nodemailer from 'nodemailer';\n\nexport const x = nodemailer;\n`,
    says: /one-door-nodemailer/,
  },
  {
    gate: 'boundaries',
    what: 'shipped code that imports the local stack',
    path: 'shared/limits/x.ts',
    text: `import { other } from '../../local/other.ts';\n\nexport const x = other;\n`,
    says: /shipped-stays-shipped/,
  },
  {
    gate: 'boundaries',
    what: 'an emulator that imports the bridge’s code',
    path: 'local/emulators/exchange/x.ts',
    text: `import { half } from '../../../shared/limits/half.ts';\n\nexport const x = half;\n`,
    says: /emulators-are-independent/,
  },
  {
    gate: 'boundaries',
    what: 'an adapter that knows more of a module than its ports',
    path: 'shared/storage/x.ts',
    text: `import { half } from '../outbound/y.ts';\n\nexport const x = half;\n`,
    says: /adapters-import-ports/,
  },
  {
    gate: 'boundaries',
    what: 'a trigger that goes past the bridge',
    path: 'functions/x.ts',
    text: `import { half } from '../shared/limits/half.ts';\n\nexport const x = half;\n`,
    says: /functions-call-the-bridge/,
  },
  {
    gate: 'boundaries',
    what: 'a cycle',
    path: 'shared/limits/x.ts',
    text: `import { y } from './x.ts';\n\nexport { y };\n`,
    says: /no-cycles/,
  },
  {
    gate: 'dead code',
    what: 'a file that nobody uses',
    path: 'shared/limits/x.ts',
    text: 'export const x = 1;\n',
    says: /x\.ts/,
  },
  {
    gate: 'dead code',
    what: 'an export that nobody uses',
    path: 'shared/limits/half.ts',
    text: `export const half = (n: number): number => n / 2;\nexport const quarter = (n: number): number => n / 4;\n`,
    says: /quarter/,
  },
];

describe('a clean tree passes', () => {
  test.each(gates.map(({ name }) => name))('%s', (gate) => {
    const { ok, output } = pass(gate);
    expect({ ok, output: ok ? '' : output }).toEqual({ ok: true, output: '' });
  });
});

describe('a planted violation is caught', () => {
  test.each(planted)('$gate: $what', ({ gate, path, text, says }) => {
    const before =
      path === 'shared/limits/half.ts' ? `export const half = (n: number): number => n / 2;\n` : undefined;
    write('shared/outbound/y.ts', `export const half = 1;\n`);
    write(path, text);
    const { ok, output } = pass(gate);
    rmSync(join(tree, path));
    rmSync(join(tree, 'shared/outbound'), { recursive: true });
    if (before !== undefined) write(path, before);
    expect(ok).toBe(false);
    expect(output).toMatch(says);
  });
});
