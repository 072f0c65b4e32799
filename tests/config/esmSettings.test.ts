// ESM's four settings as people paste them. The accidents are those reported of the vendor's own manual.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { writeEsmSettings } from '../../shared/config/esmSettings.ts';
import { readSettings } from '../../shared/config/readSettings.ts';

const tenant = '11111111-2222-3333-4444-555555555555';
const client = '66666666-7777-8888-9999-000000000000';
const endpoint = `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/authorize`;
const scopes = 'https://outlook.office365.com/IMAP.AccessAsUser.All,https://outlook.office365.com/SMTP.Send';
const values = ['true', endpoint, client, scopes];
const names = [
  'mail.oauth.enabled',
  'mail.oauth.authorize.endpoint',
  'mail.oauth.client.id',
  'mail.oauth.scopes',
];
const lines = (between: string, end: string, change: Readonly<Record<number, string>> = {}): string =>
  names.map((name, index) => `${name}${between}${change[index] ?? values[index] ?? ''}`).join(end);

const good = z
  .object({ settings: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, 'goodSettings.json'), 'utf8'))).settings;
const base = Object.fromEntries(Object.entries(good).filter(([name]) => !name.startsWith('OAUTH_')));

describe('a paste', () => {
  test.each([
    ['with equals signs', lines(' = ', '\n')],
    ['with colons', lines(': ', '\r\n')],
    ['with tabs, as a table is copied', lines('\t', '\n')],
    ['with bars, as a wiki is copied', `| ${lines(' | ', ' |\n| ')} |`],
    ['with names above values', lines('\n', '\n')],
    ['in one line', lines('=', ' ')],
    ['with line ends written out, as an app setting may have them', lines('=', '\\n')],
    ['with semicolons', lines('=', ';')],
    ['in another order', lines('=', '\n').split('\n').reverse().join('\n')],
    ['with names in capitals', lines('=', '\n').replaceAll('mail.oauth.client', 'MAIL.OAUTH.CLIENT')],
    [
      'with typographic quotation marks',
      names.map((name, index) => `${name} = \u201c${values[index] ?? ''}\u201d`).join('\n'),
    ],
    ['with no-break spaces and a byte order mark', `\ufeff${lines('\u00a0=\u00a0', '\n')}`],
    [
      'with soft hyphens and zero-width spaces in the addresses',
      lines('=', '\n', { 1: endpoint.replace('microsoft', 'micro\u00adsoft\u200b') }),
    ],
    [
      'that lost a slash in the second scope',
      lines('=', '\n', { 3: scopes.replace(',https://', ',https:/') }),
    ],
    ['that lost a slash in the endpoint', lines('=', '\n', { 1: endpoint.replace('https://', 'https:/') })],
    ['with a slash too many at the end', lines('=', '\n', { 1: `${endpoint}/` })],
    ['with braces round the client id', lines('=', '\n', { 2: `{${client.toUpperCase()}}` })],
    ['with spaces between scopes', lines('=', '\n', { 3: scopes.replace(',', ' ') })],
    ['with a comma and a line break between scopes', lines('=', '\n', { 3: scopes.replace(',', ',\n  ') })],
    ['with offline_access already there', lines('=', '\n', { 3: `${scopes},offline_access,openid` })],
    ['with a scope twice', lines('=', '\n', { 3: `${scopes},${scopes}` })],
    ['with TRUE', lines('=', '\n', { 0: 'TRUE' })],
  ])('%s is understood', (_name, pasted) => {
    const answer = readSettings({ ...base, ESM_MAIL_SETTINGS: pasted });
    expect(answer.kind === 'problems' ? answer.problems : answer.settings.signIn).toEqual({
      authorityHost: 'https://login.microsoftonline.com',
      tenant,
      authorizeEndpoint: endpoint,
      tokenEndpoint: endpoint.replace('authorize', 'token'),
      clientId: client,
      scopes: [...scopes.split(','), 'offline_access'],
      applicationScope: 'https://outlook.office365.com/.default',
      credential: { kind: 'managedIdentity' },
    });
  });

  test('may name the other host, and the endpoints of another cloud', () => {
    const pasted = lines('=', '\n', {
      1: `https://login.microsoftonline.us/${tenant}/oauth2/v2.0/authorize`,
      3: 'https://outlook.office365.us/IMAP.AccessAsUser.All,https://outlook.office365.us/SMTP.Send',
    });
    const answer = readSettings({ ...base, ESM_MAIL_SETTINGS: pasted });
    expect(answer.kind === 'ok' ? answer.settings.signIn : answer.problems).toMatchObject({
      authorityHost: 'https://login.microsoftonline.us',
      tokenEndpoint: `https://login.microsoftonline.us/${tenant}/oauth2/v2.0/token`,
      scopes: [
        expect.stringContaining('office365.us'),
        expect.stringContaining('office365.us'),
        'offline_access',
      ],
    });
  });

  test('of a megabyte is read in bounded time, and refused', () => {
    for (const piece of ['mail.oauth.', 'mail.oauth.scopes', '= ', 'https:/ ']) {
      const answer = readSettings({ ...base, ESM_MAIL_SETTINGS: piece.repeat(1_000_000 / piece.length) });
      expect(answer.kind).toBe('problems');
    }
  });
});

test('the four lines that are printed back are read as they were', () => {
  const answer = readSettings({ ...base, ESM_MAIL_SETTINGS: lines(' = ', '\n') });
  if (answer.kind !== 'ok') throw new Error(JSON.stringify(answer.problems));
  expect(writeEsmSettings(answer.settings.signIn)).toBe(lines(' = ', '\n'));
});
