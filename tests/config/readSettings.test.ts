import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { adjustableNumbers } from '../../shared/config/numbers.ts';
import { describeProblems, readSettings } from '../../shared/config/readSettings.ts';
import { parseSchedule } from '../../shared/config/ncrontab.ts';
import type { Settings } from '../../shared/config/settings.ts';
import { settingsTable } from '../../shared/config/settingsTable.ts';
import { defaultNumbers, type OutboundNumbers } from '../../shared/outbound/numbers.ts';
import { containerNames } from '../../shared/storage/names.ts';

const root = join(import.meta.dirname, '..', '..');
const json = (...path: string[]): unknown => JSON.parse(readFileSync(join(root, ...path), 'utf8'));
const environment = z.record(z.string(), z.string());
const good = z.object({ settings: environment }).parse(json('tests', 'config', 'goodSettings.json')).settings;

/** The good settings with some changed, or taken away by null. */
function changed(change: Readonly<Record<string, string | null>>): Record<string, string> {
  const merged = { ...good, ...change };
  return Object.fromEntries(
    Object.entries(merged).flatMap(([name, text]) => (text === null ? [] : [[name, text]])),
  );
}

function read(change: Readonly<Record<string, string | null>> = {}): Settings {
  const answer = readSettings(changed(change));
  if (answer.kind === 'problems') throw new Error(describeProblems(answer));
  return answer.settings;
}

describe('one mistake a file', () => {
  const folder = join(root, 'tests', 'badSettings');
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  const shape = z.strictObject({
    mistake: z.string().min(5),
    settings: z.record(z.string(), z.string().nullable()),
    expected: z.array(z.strictObject({ setting: z.string(), detail: z.string().min(5) })).min(1),
  });

  test('fills a folder', () => {
    expect(files.length).toBeGreaterThan(100);
  });

  test.each(files)('%s', (file) => {
    const { settings, expected } = shape.parse(json('tests', 'badSettings', file));
    const answer = readSettings(changed(settings));
    const problems = answer.kind === 'problems' ? answer.problems : [];
    expect(problems.map(({ setting, detail }) => ({ setting, detail }))).toEqual(
      expected.map(({ setting, detail }) => ({ setting, detail: expect.stringContaining(detail) })),
    );
    for (const { setting, detail } of problems) {
      expect(detail.startsWith(setting)).toBe(true);
      expect(detail).toMatch(/^[\x20-\x7e]{10,500}[.?]$/);
      // What a secret is called in these files.
      expect(detail).not.toContain('canary');
      expect(detail).not.toContain('c2VjcmV0LWtleS1jYW5hcnk=');
    }
  });

  test('and all of them at once are reported at once', () => {
    const answer = readSettings({ SMTP_SERVER: 'x', OUTBOUND_NUMBERS: '[]', IN_DOUBT: 'x', MAILBOX: 'x' });
    const named = new Set(answer.kind === 'problems' ? answer.problems.map(({ setting }) => setting) : []);
    expect([...named].sort()).toEqual(
      [
        'FETCH_SCHEDULE',
        'IN_DOUBT',
        'KEY_VAULT_URL',
        'MAILBOX',
        'MAILBOXES',
        'MailStore',
        'OAUTH_AUTHORIZE_ENDPOINT',
        'OAUTH_CLIENT_ID',
        'OUTBOUND_NUMBERS',
        'PRUNE_SCHEDULE',
        'REFRESH_SCHEDULE',
        'SMTP_SERVER',
        'SWEEP_SCHEDULE',
      ].sort(),
    );
  });
});

describe('good settings', () => {
  test('come out typed, with every default', () => {
    expect(read()).toEqual({
      store: { kind: 'connectionString', connectionString: 'UseDevelopmentStorage=true' },
      vault: { url: 'https://bridge.vault.azure.net', checkChallenge: true, storeGrantsAtOnce: false },
      signIn: {
        authorityHost: 'https://login.microsoftonline.com',
        tenant: '11111111-2222-3333-4444-555555555555',
        authorizeEndpoint: good['OAUTH_AUTHORIZE_ENDPOINT'],
        tokenEndpoint: good['OAUTH_AUTHORIZE_ENDPOINT']?.replace('authorize', 'token'),
        clientId: good['OAUTH_CLIENT_ID'],
        scopes: [
          'https://outlook.office.com/IMAP.AccessAsUser.All',
          'https://outlook.office.com/SMTP.Send',
          'offline_access',
        ],
        applicationScope: 'https://outlook.office365.com/.default',
        credential: { kind: 'managedIdentity' },
      },
      smtp: { host: 'smtp.office365.com', port: 587 },
      imap: { host: 'outlook.office365.com', port: 993 },
      mailboxes: [
        {
          address: 'desk@example.com',
          signIn: 'delegated',
          imapUser: 'desk@example.com',
          smtpUser: 'desk@example.com',
          send: true,
          receive: true,
          folder: 'INBOX',
          afterFetch: { kind: 'none' },
          fetchFrom: { kind: 'now' },
          limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
        },
      ],
      accounts: [expect.objectContaining({ key: 'desk@example.com' })],
      schedules: {
        fetch: '0 * * * * *',
        sweep: '30 * * * * *',
        prune: '0 17 3 * * *',
        refresh: '0 43 4 * * *',
      },
      outbound: {
        inDoubtPolicy: 'hold',
        giveUpAfterMs: 48 * 3_600_000,
        retentionMs: 30 * 86_400_000,
        blobMostBytes: 35 * 1_048_576,
      },
      inbound: { contentKeptMs: 30 * 86_400_000 },
      heartbeat: {},
      submissions: { recipientsCount: 500, contentBytes: 35 * 1_048_576 },
      uploadContainer: containerNames.outboundUploads,
      eventsTo: 'queue',
    });
  });

  test('may name the store by identity, with or without its three addresses', () => {
    const byName = {
      MailStore: null,
      MailStore__accountName: 'esmbridge',
      MailStore__credential: 'managedidentity',
    };
    expect(read(byName).store).toEqual({
      kind: 'identity',
      queueServiceUri: 'https://esmbridge.queue.core.windows.net',
      blobServiceUri: 'https://esmbridge.blob.core.windows.net',
      tableServiceUri: 'https://esmbridge.table.core.windows.net',
    });
    const clientId = 'ABCDEF00-7777-8888-9999-000000000000';
    const settings = read({
      ...byName,
      MailStore__accountName: null,
      MailStore__queueServiceUri: 'https://a.queue.core.windows.net/',
      MailStore__blobServiceUri: 'https://a.blob.core.windows.net',
      MailStore__tableServiceUri: 'https://a.table.core.windows.net',
      MailStore__clientId: clientId,
    });
    expect(settings.store).toMatchObject({
      queueServiceUri: 'https://a.queue.core.windows.net',
      clientId: clientId.toLowerCase(),
    });
    // One identity for everything, unless another is named for signing in.
    expect(settings.signIn.credential).toEqual({ kind: 'managedIdentity', clientId: clientId.toLowerCase() });
  });

  test('may hold mailboxes with every field, and null where a template left one out', () => {
    const written = [
      {
        address: 'HR@Example.com',
        signIn: 'application',
        imapUser: 'hr@example.com',
        smtpUser: 'Robot@example.com',
        send: true,
        receive: false,
        folder: 'Saapuneet/ESM',
        afterFetch: 'move:K\u00e4sitelty',
        limits: { messagesPerMinute: 20 },
      },
      {
        address: 'it@example.com',
        signIn: null,
        smtpUser: 'robot@EXAMPLE.com',
        afterFetch: 'seen',
        limits: null,
      },
      { address: 'del@example.com', send: false, afterFetch: 'delete' },
    ];
    const { mailboxes, accounts } = read({ MAILBOXES: JSON.stringify(written) });
    expect(mailboxes[0]).toEqual({
      address: 'HR@example.com',
      signIn: 'application',
      imapUser: 'hr@example.com',
      smtpUser: 'Robot@example.com',
      send: true,
      receive: false,
      folder: 'Saapuneet/ESM',
      afterFetch: { kind: 'move', folder: 'K\u00e4sitelty' },
      fetchFrom: { kind: 'now' },
      limits: { messagesPerMinute: 20, recipientsPerDay: 10_000, connections: 3 },
    });
    expect(accounts).toHaveLength(1);
    expect(accounts[0]).toMatchObject({
      key: 'robot@example.com',
      user: 'Robot@example.com',
      limits: { messagesPerMinute: 20 },
    });
    expect(accounts[0]?.mailboxes.map(({ address }) => address)).toEqual([
      'HR@example.com',
      'it@example.com',
    ]);
  });

  test('may hold a hundred mailboxes, in one setting or continued in others', () => {
    const all = Array.from({ length: 100 }, (_, index) => ({
      address: `service.desk.number.${index}@department.example.com`,
      signIn: 'delegated',
      imapUser: `service.desk.number.${index}@department.example.com`,
      smtpUser: `service.desk.number.${index}@department.example.com`,
      send: true,
      receive: true,
      folder: 'INBOX',
      afterFetch: 'move:Processed by the bridge',
      limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
    }));
    const whole = JSON.stringify(all);
    const short = JSON.stringify(
      all.map(({ signIn }, index) => ({ address: `desk${index}@example.com`, signIn })),
    );
    // What docs/settings.md says about sizes. Linux takes 131,072 bytes in one variable; App Service some 10,000.
    expect(short.length).toBeLessThan(6_500);
    expect(whole.length).toBeGreaterThan(30_000);
    expect(whole.length).toBeLessThan(45_000);
    expect(read({ MAILBOXES: whole }).mailboxes).toHaveLength(100);
    const parts = [0, 1, 2, 3, 4].map((part) => JSON.stringify(all.slice(part * 20, part * 20 + 20)));
    expect(Math.max(...parts.map(({ length }) => length))).toBeLessThan(10_000);
    const continued = read({
      MAILBOXES: parts[0] ?? '',
      MAILBOXES_2: parts[1] ?? '',
      MAILBOXES_3: parts[2] ?? '',
      MAILBOXES_4: parts[3] ?? '',
      MAILBOXES_5: parts[4] ?? '',
    });
    expect(continued.mailboxes).toEqual(read({ MAILBOXES: whole }).mailboxes);
  });

  test('may change the numbers of the outbound protocol, within bounds that hold its defaults', () => {
    const { outbound } = read({
      OUTBOUND_NUMBERS: '{"periodMs":10000,"attemptMs":5000}',
      IN_DOUBT: 'Resend',
      GIVE_UP_AFTER_HOURS: '1',
      RETENTION_DAYS: '1',
    });
    const numbers: OutboundNumbers = { ...defaultNumbers, ...outbound };
    expect(numbers).toEqual({
      ...defaultNumbers,
      periodMs: 10_000,
      attemptMs: 5_000,
      inDoubtPolicy: 'resend',
      giveUpAfterMs: 3_600_000,
      retentionMs: 86_400_000,
      blobMostBytes: 35 * 1_048_576,
    });
    for (const [name, [least, most]] of Object.entries(adjustableNumbers)) {
      const value: unknown = Reflect.get(defaultNumbers, name);
      expect([name, value]).toEqual([name, expect.any(Number)]);
      expect(Number(value)).toBeGreaterThanOrEqual(least);
      expect(Number(value)).toBeLessThanOrEqual(most);
    }
  });

  test('may hold a secret with its end, or a certificate as PEM, as one line, or as base64', () => {
    expect(
      read({ OAUTH_CLIENT_SECRET: ' a~b ', OAUTH_CLIENT_SECRET_EXPIRES: '2027-11-25' }).signIn.credential,
    ).toEqual({
      kind: 'secret',
      secret: 'a~b',
      expiresAt: Date.UTC(2027, 10, 25),
    });
    const pem =
      '-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\ny\n-----END CERTIFICATE-----';
    for (const text of [pem, pem.replaceAll('\n', '\\n'), Buffer.from(pem).toString('base64')]) {
      expect(read({ OAUTH_CLIENT_CERTIFICATE: text }).signIn.credential).toEqual({
        kind: 'certificate',
        pem,
      });
    }
  });

  test('need no scope for what only the application signs in to', () => {
    const { signIn } = read({
      MAILBOXES: '[{"address":"a@example.com","signIn":"application"}]',
      OAUTH_SCOPES: 'offline_access',
    });
    expect(signIn.scopes).toEqual(['offline_access']);
  });

  test('know where browsers reach the app', () => {
    expect(read().publicUrl).toBeUndefined();
    expect(read({ WEBSITE_HOSTNAME: 'bridge.azurewebsites.net' }).publicUrl).toBe(
      'https://bridge.azurewebsites.net',
    );
    expect(read({ WEBSITE_HOSTNAME: 'x', PUBLIC_URL: 'https://mail.example.com/' }).publicUrl).toBe(
      'https://mail.example.com',
    );
    expect(read({ PUBLIC_URL: 'http://localhost:7071' }).publicUrl).toBe('http://localhost:7071');
  });

  test("stand beside whatever else is in a worker's environment", () => {
    const platform = {
      PATH: '/bin',
      WEBSITE_SITE_NAME: 'x',
      AzureWebJobsStorage__blobServiceUri: 'x',
      FUNCTIONS_WORKER_RUNTIME: 'node',
      APPSETTING_MAILBOXES: '[]',
      IDENTITY_ENDPOINT: 'x',
      NODE_EXTRA_CA_CERTS: 'x',
      SMTP_PASSWORD: 'x',
      HOME: '/',
      LANG: 'C',
    };
    expect(readSettings({ ...good, ...platform }).kind).toBe('ok');
  });
});

describe('the defaults of the deployment', () => {
  const defaults = environment.parse(json('infra', 'settings.json'));

  test.each([
    [{}, undefined],
    [
      { AzureWebJobsStorage: 'UseDevelopmentStorage=true' },
      { kind: 'connectionString', connectionString: 'UseDevelopmentStorage=true' },
    ],
    [
      {
        AzureWebJobsStorage__blobServiceUri: 'https://sth.blob.core.windows.net',
        AzureWebJobsStorage__clientId: '11111111-2222-3333-4444-555555555555',
      },
      {
        kind: 'identity',
        blobServiceUri: 'https://sth.blob.core.windows.net',
        clientId: '11111111-2222-3333-4444-555555555555',
      },
    ],
    [
      { AzureWebJobsStorage__accountName: 'sth' },
      { kind: 'identity', blobServiceUri: 'https://sth.blob.core.windows.net' },
    ],
    // A form that only the host knows is no reason to refuse the settings.
    [{ AzureWebJobsStorage__blobServiceUri: 'http://sth' }, undefined],
  ])('the account of the exports is the host’s: %j', (host, exportStore) => {
    const answer = readSettings({ ...good, AzureWebJobsStorage: undefined, ...host });
    expect(answer.kind === 'ok' ? answer.settings.exportStore : answer).toEqual(exportStore);
  });

  test('are settings, and those that the parser has too are the same', () => {
    for (const [name, text] of Object.entries(defaults)) {
      const row = settingsTable.find((one) => one.name === name);
      expect([name, row?.default ?? text]).toEqual([name, text]);
    }
    expect(read(defaults)).toEqual(read());
  });

  test('hold every schedule', () => {
    expect(Object.keys(defaults)).toEqual(
      expect.arrayContaining(['FETCH_SCHEDULE', 'SWEEP_SCHEDULE', 'PRUNE_SCHEDULE', 'REFRESH_SCHEDULE']),
    );
  });

  test("and the example for a developer's machine are read without a problem", () => {
    const example = z
      .object({ IsEncrypted: z.literal(false), Values: environment })
      .parse(json('local.settings.example.json'));
    const answer = readSettings(example.Values);
    expect(answer.kind === 'problems' ? describeProblems(answer) : 'ok').toBe('ok');
  });
});

test('every setting of the table is looked at, and no other', () => {
  const asked = new Set<string>();
  const watched = (values: Readonly<Record<string, string>>): Record<string, string> =>
    new Proxy(values, {
      get(target, name) {
        if (typeof name === 'string') asked.add(name);
        return Reflect.get(target, name) as unknown;
      },
    });
  const identity = changed({ MailStore: null, MailStore__accountName: 'esmbridge' });
  readSettings(watched({ ...identity }));
  readSettings(watched({ ...good, OAUTH_CLIENT_SECRET: 'x', WEBSITE_HOSTNAME: 'x' }));
  // Those of the platform, which are not ours to describe: its address, and the store of the host.
  const isOurs = (name: string): boolean =>
    name !== 'WEBSITE_HOSTNAME' && !name.startsWith('AzureWebJobsStorage');
  expect([...asked].filter(isOurs).sort()).toEqual(settingsTable.map(({ name }) => name).sort());
});

describe('a schedule', () => {
  test.each([
    '* * * * * *',
    '0 */5 * * * *',
    '*/2 * * * * *',
    '0 0 8-17/2 * * MON-FRI',
    '0,30 15 3 1,15 jan,Jul 0',
    '59 59 23 31 12 6',
    '0  0  0 1 1 *',
  ])('%s is taken', (text) => {
    expect(parseSchedule(text).kind).toBe('ok');
  });

  test.each([
    '* * * * *',
    '60 * * * * *',
    '* * 24 * * *',
    '* * * 0 * *',
    '* * * 32 * *',
    '* * * * 13 *',
    '* * * * 0 *',
    '* * * * * 7',
    '*/ * * * * *',
    '1- * * * * *',
    '-1 * * * * *',
    '1-2-3 * * * * *',
    '1/2/3 * * * * *',
    ', * * * * *',
    'L * * * * *',
    '00:01:00',
    '1.00:00:00',
    `${'0,'.repeat(200)}0 * * * * *`,
  ])('%s is not', (text) => {
    expect(parseSchedule(text)).toMatchObject({ detail: expect.stringMatching(/write|put/) });
  });
});
