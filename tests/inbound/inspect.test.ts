// The command that says what a mail would be taken for, as a person or a script runs it.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
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

test('nothing named is a usage error', async () => {
  expect((await inspect('--json')).code).toBe(2);
});
