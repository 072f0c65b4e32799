// Each gate is shown to bite: a small clean tree passes it, and the same tree with one violation does not.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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
    `import { app } from '@azure/functions';\nimport { bridge } from '../shared/loadBridge.ts';\n\napp.timer('clean', { schedule: '%S%', handler: bridge });\n`,
  );
  write(
    'shared/loadBridge.ts',
    `export const bridge = async (): Promise<void> => {\n  (await import('./bridge.ts')).bridge();\n};\n`,
  );
  write(
    'shared/bridge.ts',
    `import { half } from './limits/half.ts';\n\nexport const bridge = (): void => {\n  half(2);\n};\n`,
  );
  write('shared/limits/half.ts', `export const half = (n: number): number => n / 2;\n`);
  write('local/other.ts', `export const other = 1;\n`);
  write('intake/main.ts', `export const intake = 1;\n`);
});

// Only the finding that is planted counts: this small tree does not use the project's packages.
const knip = `{
  "entry": ["functions/clean.ts", "local/other.ts", "intake/main.ts"],
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

const half = 'export const half = 1;\n';

interface Planted {
  readonly gate: string;
  readonly what: string;
  readonly path: string;
  readonly text: string;
  /** Other files that it needs, by path. */
  readonly beside?: Readonly<Record<string, string>>;
  /** What the gate reports about it. */
  readonly says: RegExp;
}

const real = (...paths: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
const limiter = real('shared/clock.ts', 'shared/limits/limiter.ts', 'shared/limits/storageTime.ts');
const swapImports = `import { acquire, canAcquire } from './limiter.ts';
import type { Availability, RateLimits, Usage } from './limiter.ts';
import { plus } from './storageTime.ts';
import type { StorageTime } from './storageTime.ts';

`;
const imports = (path: string): string => `import { half } from '${path}';\n\nexport const x = half;\n`;

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
    gate: 'types',
    what: 'a limit that is judged by the latest bound of the storage clock',
    path: 'shared/limits/x.ts',
    beside: limiter,
    text: `${swapImports}export const x = (usage: Usage, limits: RateLimits, time: StorageTime): [Availability, unknown] => [
  canAcquire(usage, limits, time.latest(), 1),
  acquire(usage, limits, plus(time.latest(), 1_000), 1),
];
`,
    says: /x\.ts\(\d+,\d+\): error TS2345.*'Latest'.*'Earliest'/,
  },
  {
    gate: 'types',
    what: 'a slot that is written with the earliest bound of the storage clock',
    path: 'shared/limits/x.ts',
    beside: limiter,
    text: `${swapImports}export const x = (usage: Usage, limits: RateLimits, time: StorageTime): [Availability, unknown] => [
  canAcquire(usage, limits, time.earliest(), 1),
  acquire(usage, limits, plus(time.earliest(), 1_000), 1),
];
`,
    says: /x\.ts\(\d+,\d+\): error TS2345.*'Earliest'.*'Latest'/,
  },
  {
    gate: 'types',
    what: 'a bound of the storage clock made of a plain number',
    path: 'shared/limits/x.ts',
    beside: limiter,
    text: `${swapImports}export const x = (usage: Usage, limits: RateLimits, time: StorageTime): [Availability, unknown] => [
  canAcquire(usage, limits, time.earliest() - 1, 1),
  acquire(usage, limits, plus(time.latest(), 1_000), 1),
];
`,
    says: /x\.ts\(\d+,\d+\): error TS2345.*'number'.*'Earliest'/,
  },
  {
    gate: 'boundaries',
    what: 'a pure module that imports a package',
    path: 'shared/mail/x.ts',
    text: `import { z } from 'zod';\n\nexport const x = z;\n`,
    says: /mail-is-pure/,
  },
  {
    gate: 'boundaries',
    what: 'a module that imports one it may not, if only for a type',
    path: 'shared/limits/x.ts',
    beside: { 'shared/outbound/y.ts': half },
    text: `import type { half } from '../outbound/y.ts';\n\nexport type X = typeof half;\n`,
    says: /limits-imports/,
  },
  {
    gate: 'boundaries',
    what: 'an SDK with a second importer',
    path: 'shared/outbound/x.ts',
    text: `import nodemailer from 'nodemailer';\n\nexport const x = nodemailer;\n`,
    says: /sole-importer-nodemailer/,
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
    gate: 'boundaries',
    what: 'records that import the policy above them, if only for a type',
    path: 'shared/outbound/records/x.ts',
    beside: { 'shared/outbound/policy/y.ts': half },
    text: `import type { half } from '../policy/y.ts';\n\nexport type X = typeof half;\n`,
    says: /outbound-records-imports/,
  },
  {
    gate: 'boundaries',
    what: 'accepting that imports sending, beside it',
    path: 'shared/outbound/accept/x.ts',
    beside: { 'shared/outbound/sending/y.ts': half },
    text: imports('../sending/y.ts'),
    says: /outbound-accept-imports/,
  },
  {
    gate: 'boundaries',
    what: 'an inbound file that imports the outbound module',
    path: 'shared/inbound/x.ts',
    beside: { 'shared/outbound/y.ts': half },
    text: imports('../outbound/y.ts'),
    says: /inbound-imports/,
  },
  {
    gate: 'boundaries',
    what: 'an adapter that imports more than a port',
    path: 'shared/storage/x.ts',
    beside: { 'shared/outbound/y.ts': half },
    text: imports('../outbound/y.ts'),
    says: /adapters-import-ports/,
  },
  {
    gate: 'boundaries',
    what: 'a neutral file that imports a module',
    path: 'shared/deadline.ts',
    text: imports('./limits/half.ts'),
    says: /shared-files-are-neutral/,
  },
  {
    gate: 'boundaries',
    what: 'a module that imports the bridge',
    path: 'shared/limits/x.ts',
    text: `import { bridge } from '../bridge.ts';\n\nexport const x = bridge;\n`,
    says: /only-functions-call-the-bridge/,
  },
  {
    gate: 'boundaries',
    what: 'a program that is loaded before it is called',
    path: 'shared/loadBridge.ts',
    text: `import { bridge } from './bridge.ts';\n\nexport { bridge };\n`,
    says: /the-bridge-is-loaded-when-called/,
  },
  {
    gate: 'boundaries',
    what: 'a module that imports the assembly',
    path: 'shared/limits/x.ts',
    beside: { 'shared/assembly.ts': half },
    text: imports('../assembly.ts'),
    says: /only-the-bridge-assembles/,
  },
  {
    gate: 'boundaries',
    what: 'a command that imports a trigger',
    path: 'local/x.ts',
    text: `import '../functions/clean.ts';\n`,
    says: /nobody-imports-functions/,
  },
  {
    gate: 'boundaries',
    what: 'an emulator that imports the product',
    path: 'local/emulators/x.ts',
    text: imports('../../shared/limits/half.ts'),
    says: /emulators-are-independent/,
  },
  {
    gate: 'boundaries',
    what: 'a Functions host that imports an emulator',
    path: 'local/functionsHost/x.ts',
    beside: { 'local/emulators/y.ts': half },
    text: imports('../emulators/y.ts'),
    says: /host-is-independent/,
  },
  {
    gate: 'boundaries',
    what: 'the intake using what is not pure',
    path: 'intake/x.ts',
    text: imports('../shared/limits/half.ts'),
    says: /intake-imports/,
  },
  {
    gate: 'boundaries',
    what: 'shared code using the intake',
    path: 'shared/limits/x.ts',
    text: `import { intake } from '../../intake/main.ts';\n\nexport const x = intake;\n`,
    says: /nobody-imports-the-intake/,
  },
  {
    gate: 'boundaries',
    what: 'a second importer of the SMTP server',
    path: 'intake/x.ts',
    text: `import { SMTPServer } from 'smtp-server';\n\nexport const x = SMTPServer;\n`,
    says: /one-door-smtp-server/,
  },
  {
    gate: 'boundaries',
    what: 'a file that imports nothing and is imported by nothing',
    path: 'shared/limits/x.ts',
    text: 'export const x = 1;\n',
    says: /no-orphans/,
  },
  {
    gate: 'boundaries',
    what: 'a file name with a hyphen',
    path: 'shared/limits/half-way.ts',
    beside: { 'shared/limits/x.ts': imports('./half-way.ts') },
    text: half,
    says: /names-are-lower-camel/,
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
  test.each(planted)('$gate: $what', ({ gate, path, text, beside = {}, says }) => {
    const files = { ...beside, [path]: text };
    const before = Object.keys(files).map((file) => [file, textOf(file)] as const);
    for (const [file, content] of Object.entries(files)) write(file, content);
    const { ok, output } = pass(gate);
    for (const [file, content] of before)
      if (content === undefined) rmSync(join(tree, file));
      else write(file, content);
    expect(ok).toBe(false);
    expect(output).toMatch(says);
  });
});

function textOf(path: string): string | undefined {
  return existsSync(join(tree, path)) ? readFileSync(join(tree, path), 'utf8') : undefined;
}
