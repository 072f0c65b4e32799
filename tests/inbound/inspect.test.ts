// The command that says what a mail would be taken for, as a person or a script runs it.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { mail } from './rig.ts';

let folder: string;

const bounce = mail(
  { From: 'MAILER-DAEMON@x.test', Subject: 'failure notice' },
  'Hi. This is the qmail-send program at x.test.\r\n\r\n<nobody@fabrikam.test>:\r\nRemote host said: 550 5.1.1 no such user\r\n',
);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inspect-'));
  await mkdir(join(folder, 'mails', 'deeper'), { recursive: true });
  await writeFile(join(folder, 'mails', 'a.eml'), bounce);
  await writeFile(join(folder, 'mails', 'b.eml'), bounce.replaceAll('\r\n', '\n'));
  await writeFile(join(folder, 'mails', 'c.eml'), bounce.replaceAll('\r\n', '\r'));
  await writeFile(join(folder, 'mails', 'deeper', 'd.eml'), mail({}));
  await writeFile(join(folder, 'bomb.eml'), `X: ${'y'.repeat(2_000_000)}\r\n\r\n`);
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function inspect(...parameters: readonly string[]): Promise<Run> {
  const script = join(import.meta.dirname, '..', '..', 'local', 'commands', 'inspect.ts');
  return new Promise((resolve) => {
    const env = { ...process.env, NODE_OPTIONS: '' };
    execFile(process.execPath, [script, ...parameters], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

const line = z.object({
  file: z.string(),
  kind: z.enum(['message', 'bounce', 'autoReply', 'complaint', 'receipt', 'unparsed']),
  bounce: z
    .object({
      recipients: z.array(
        z.object({
          address: z.string(),
          status: z.string(),
          replyCode: z.string(),
          hard: z.boolean(),
          reason: z.string(),
        }),
      ),
    })
    .optional(),
});

test('one JSON line for each mail, in the order of the names, whatever its line ends', async () => {
  const { code, stdout } = await inspect(join(folder, 'mails'), join(folder, 'bomb.eml'), '--json');
  const lines = stdout
    .trim()
    .split('\n')
    .map((text) => line.parse(JSON.parse(text)));
  expect(code).toBe(0);
  expect(lines.map(({ file, kind }) => [file.slice(folder.length), kind])).toEqual([
    ['/mails/a.eml', 'bounce'],
    ['/mails/b.eml', 'bounce'],
    ['/mails/c.eml', 'bounce'],
    ['/mails/deeper/d.eml', 'message'],
    ['/bomb.eml', 'unparsed'],
  ]);
  const recipient = {
    address: 'nobody@fabrikam.test',
    status: '5.1.1',
    replyCode: '550',
    hard: true,
    reason: 'userunknown',
  };
  for (const { bounce: found } of lines.slice(0, 3)) expect(found).toEqual({ recipients: [recipient] });
});

test('an account for people without it', async () => {
  const { stdout } = await inspect(join(folder, 'mails', 'a.eml'));
  expect(stdout).toContain('failed nobody@fabrikam.test: dead address, userunknown (550 5.1.1)');
  expect(stdout).toContain('not to be answered automatically');
});

test('a file that is not there is said, and the others are done', async () => {
  const { code, stdout, stderr } = await inspect(join(folder, 'none.eml'), join(folder, 'mails', 'a.eml'));
  expect(code).toBe(1);
  expect(stderr).toContain('none.eml');
  expect(stdout).toContain('dead address');
});

test('what comes in front of a mail, and line ends of several kinds, change nothing', async () => {
  const odd = join(folder, 'odd');
  await mkdir(odd);
  await writeFile(join(odd, 'a.eml'), `\u{feff}${bounce}`);
  await writeFile(join(odd, 'b.eml'), `From MAILER-DAEMON Thu Apr 29 00:00:00 2021\n${bounce}`);
  await writeFile(join(odd, 'c.eml'), `\u{feff}From a@b Thu Apr 29\r\n${bounce}`);
  const lines = bounce.split('\r\n');
  await writeFile(join(odd, 'd.eml'), lines.map((one, n) => one + (n % 2 === 0 ? '\n' : '\r\n')).join(''));
  const { stdout } = await inspect(odd, '--json');
  const dead = stdout
    .trim()
    .split('\n')
    .map((text) => line.parse(JSON.parse(text)).bounce?.recipients[0]);
  expect(dead.map((one) => [one?.address, one?.status, one?.hard])).toEqual(
    ['a', 'b', 'c', 'd'].map(() => ['nobody@fabrikam.test', '5.1.1', true]),
  );
});

test('an empty file is a message; a broken link is said; a link back is not followed', async () => {
  const strange = join(folder, 'strange');
  await mkdir(strange);
  await writeFile(join(strange, 'empty.eml'), '');
  await symlink('nowhere', join(strange, 'dangling.eml'));
  await symlink('.', join(strange, 'loop'));
  const { code, stdout, stderr } = await inspect(strange, '--json');
  expect(code).toBe(1);
  expect(
    stdout
      .trim()
      .split('\n')
      .map((text) => line.parse(JSON.parse(text)).kind),
  ).toEqual(['message']);
  expect(stderr).toBe(`${join(strange, 'dangling.eml')}: no such file\n`);
});

test('the mail cannot write to the terminal', async () => {
  await writeFile(join(folder, 'escape.eml'), 'From: a@b.test\r\nSubject: x\u001b[2Jy\r\n\r\nHi');
  const { stdout } = await inspect(join(folder, 'escape.eml'));
  expect(stdout).toContain('y');
  expect(stdout).not.toContain('\u001b');
});

test('mails broken at random, as many as asked', async () => {
  const { code, stdout } = await inspect('--mutated', '40', '--seed', '3', '--json');
  expect([code, JSON.parse(stdout)]).toEqual([
    0,
    expect.objectContaining({ seed: 3, count: 40, crashes: 0, slow: 0 }),
  ]);
});

test('nothing named is a usage error', async () => {
  expect((await inspect('--json')).code).toBe(2);
  expect((await inspect('--no-such-flag', folder)).code).toBe(2);
});
