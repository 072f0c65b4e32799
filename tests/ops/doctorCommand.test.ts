// `npm run esm-settings` as a person calls it, and how `npm run doctor` says that it is called otherwise;
// tests/local/commands/operatorCommands.test.ts runs it.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { startStack, type Stack } from '../../local/stack/stack.ts';
import { systemClock } from '../../shared/clock.ts';
import { readEsmSettings } from '../../shared/config/esmSettings.ts';
import { Problems } from '../../shared/config/problems.ts';

const desk = 'palvelupiste@kunta.example';
const robot = 'robotti@kunta.example';
const commands = join(import.meta.dirname, '../../local/commands');

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    clock: systemClock,
    mailboxes: [
      { address: desk, signIn: 'delegated' },
      { address: robot, signIn: 'application' },
    ],
  });
}, 60_000);
afterAll(() => stack.close(), 30_000);

interface Ended {
  readonly status: number;
  readonly out: string;
  readonly complaint: string;
}

function command(
  name: 'doctor' | 'esmSettings',
  args: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(commands, `${name}.ts`), ...args],
      { env: { PATH: process.env['PATH'], ...stack.settings, ...settings }, timeout: 60_000 },
      (error, out, complaint) => {
        resolve({ status: error === null ? 0 : Number(error.code), out, complaint });
      },
    );
  });
}

test('without --mailbox it says how it is called', async () => {
  const { status, complaint } = await command('doctor', []);
  expect(status).toBe(2);
  expect(complaint).toContain('npm run doctor -- --mailbox ADDRESS');
});

test('esm-settings prints the four lines, and the two warnings', async () => {
  const { status, out } = await command('esmSettings', []);
  expect(status).toBe(0);
  const lines = out.split('\n').filter((line) => line.startsWith('mail.oauth.'));
  expect(lines).toHaveLength(4);
  const problems = new Problems();
  expect(readEsmSettings(lines.join('\n'), problems)).toEqual({
    authorizeEndpoint: stack.settings['OAUTH_AUTHORIZE_ENDPOINT'],
    clientId: stack.settings['OAUTH_CLIENT_ID'],
    scopes: stack.settings['OAUTH_SCOPES'],
  });
  expect(problems.found).toEqual([]);
  expect(out).toMatch(/redirect address must be registered/);
  expect(out).toMatch(/share one mailbox’s limits/);
});
