// Every command that a page names is one of package.json, with options that it has; what acceptance.md lets an
// administrator type is shell, with variables that are set, and its table has exactly the checks that there are.
import { expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkIds } from '../../local/acceptance/acceptance.ts';
import { mailboxQuestions } from '../../local/acceptance/questions.ts';
import { exchangeWait } from '../../shared/mail/exchangeWait.ts';
import { containerNames, exportContainerName, queueNames, tableNames } from '../../shared/storage/names.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((path) =>
  path.endsWith('.md'),
);
const scripts = (JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> })
  .scripts;

/** `npm run NAME -- …` up to the end of the code that it stands in. */
const uses = pages.flatMap((page) =>
  [...read(page).matchAll(/npm run ([\w-]+)((?: [^\n`|]*)?)/g)].map(([text, name = '', rest = '']) => ({
    page,
    text: text.trim(),
    name,
    options: rest.includes(' -- ')
      ? [...rest.matchAll(/ --([a-z][\w-]*)/g)].map((match) => match[1] ?? '')
      : [],
  })),
);

/** The options of a command, as its file declares them; undefined if it declares none. */
function optionsOf(name: string): readonly string[] | undefined {
  const file = /\S+\.ts/.exec(scripts[name] ?? '')?.[0];
  if (file === undefined) return undefined;
  const text = read(file);
  return text.includes('options:')
    ? [
        ...text.matchAll(
          /^\s*'?([a-z][\w-]*)'?: \{ type: '(?:string|boolean)'|[{ ,]'?([a-z][\w-]*)'?: \{ type: '/gm,
        ),
      ].map((match) => match[1] ?? match[2] ?? '')
    : undefined;
}

test('every npm script that a page names is there', () => {
  expect(uses.length).toBeGreaterThan(40);
  for (const { page, name, text } of uses) expect([page, text, name in scripts]).toEqual([page, text, true]);
});

test('every option that a page gives to a command is one of its options', () => {
  const given = uses.filter(({ options }) => options.length > 0);
  expect(given.length).toBeGreaterThan(10);
  for (const { page, name, text, options } of given) {
    const known = optionsOf(name);
    if (known === undefined) continue;
    // The operator API gives every command `--app`; those that have it already are checked with the rest.
    for (const option of options.filter((one) => one !== 'app' || known.includes('app')))
      expect([page, text, option, option === 'help' || known.includes(option)]).toEqual([
        page,
        text,
        option,
        true,
      ]);
  }
});

test('one figure for the waits of Exchange Online, in pages, code and the script', () => {
  const sources = ['shared', 'local'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(folder, name)),
  );
  for (const path of [...pages, ...sources, 'infra/exchange/grantMailboxAccess.ps1'])
    expect([
      path,
      /\bup to (?:an hour|one hour|two hours|\d+ hours|60 minutes)\b/.exec(read(path))?.[0],
    ]).toEqual([path, undefined]);
  expect(exchangeWait).toBe('It takes up to 90 minutes to work.');
  expect(read('docs/replies.md')).toContain(exchangeWait);
});

const shellOf = (text: string): readonly string[] =>
  [...text.matchAll(/^ *```sh\n([^]*?)^ *```$/gm)].map((match) => (match[1] ?? '').replaceAll(/^ +/gm, ''));

/** Set by the deployment guide, to which the pages refer. */
const ofTheGuide = ['GROUP', 'APP'];

/** Parses, and uses no variable before it is set. */
function expectShell(blocks: readonly string[]): void {
  const set = new Set(ofTheGuide);
  for (const block of blocks) {
    expect(spawnSync('bash', ['-n'], { input: block, encoding: 'utf8' })).toMatchObject({ status: 0 });
    for (const line of block.split('\n')) {
      for (const match of line.matchAll(/\$\{?([A-Z][A-Z_]*)/g))
        expect([line, set.has(match[1] ?? '')]).toEqual([line, true]);
      const assigned = /^([A-Z][A-Z_]*)=/.exec(line)?.[1];
      if (assigned !== undefined) set.add(assigned);
    }
  }
}

/** The queues, containers and tables that roles are given on; each is one of the store. */
function scopesIn(blocks: readonly string[]): readonly string[] {
  const names = {
    queues: queueNames,
    containers: { ...containerNames, exportContainerName },
    tables: tableNames,
  };
  return [...blocks.join('\n').matchAll(/create .*default\/(queues|containers|tables)\/([\w-]+)/g)].map(
    ([, kind = '', name = '']) => {
      expect(Object.values(names[kind as keyof typeof names])).toContain(name);
      return name;
    },
  );
}

const acceptance = read('docs/acceptance.md');
const shell = shellOf(acceptance);

test('acceptance.md: the commands are shell, in order, on what the store has', () => {
  expect(shell.length).toBeGreaterThan(3);
  expectShell(shell);
  expect(scopesIn(shell)).toHaveLength(4);
  // What was given is taken away again.
  const scopes = (verb: string): readonly string[] =>
    [...shell.join('\n').matchAll(new RegExp(`az role assignment ${verb} .*--scope (\\S+)`, 'g'))].map(
      (match) => match[1] ?? '',
    );
  expect(scopes('delete')).toEqual(scopes('create'));
});

test('acceptance.md: the table of checks has each of them, in words of its own', () => {
  const rows = [...acceptance.matchAll(/^\| `(\w+)` +\|/gm)].map((match) => match[1] ?? '');
  expect([...rows].sort()).toEqual([...checkIds].sort());
  expect(acceptance).toContain(`${String(checkIds.length)} checks`);
  expect(Object.keys(mailboxQuestions).length).toBeGreaterThan(5);
});

test.each([
  ['release.md', '## Rollback', 2],
  ['runbook.md', '## Rows have disappeared', 3],
])('%s: the commands of "%s" are shell, with variables that are set', (page, heading, count) => {
  const [, chapter = ''] = read(`docs/${page}`).split(`\n${heading}\n`);
  const blocks = shellOf(chapter.split('\n## ')[0] ?? '');
  expect(blocks).toHaveLength(count);
  expectShell(blocks);
});

test('runbook.md: who restores gets a role on everything that the restore writes and reads', () => {
  const [, chapter = ''] = read('docs/runbook.md').split('\n## Rows have disappeared\n');
  expect(scopesIn(shellOf(chapter)).toSorted()).toEqual(
    [
      tableNames.outbox,
      containerNames.outboundContent,
      queueNames.outboundWake,
      exportContainerName,
    ].toSorted(),
  );
});
