// The edges of what a setting may be: the last value that is taken and the first one that is refused.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { writeEsmSettings } from '../../shared/config/esmSettings.ts';
import { parseSchedule } from '../../shared/config/ncrontab.ts';
import { isAuthenticationOn, platformEnvironment } from '../../shared/config/platform.ts';
import {
  adjustableHeartbeatNumbers,
  adjustableInboundNumbers,
  adjustableNumbers,
} from '../../shared/config/numbers.ts';
import { describeProblems, readSettings, readStoreAddress } from '../../shared/config/readSettings.ts';
import type { Settings } from '../../shared/config/settings.ts';

const file = JSON.parse(readFileSync(join(import.meta.dirname, 'goodSettings.json'), 'utf8')) as {
  readonly settings: Readonly<Record<string, string>>;
};
type Change = Readonly<Record<string, string | undefined>>;
const guid = '11111111-2222-3333-4444-555555555555';

/** The settings, or what is wrong with them. */
function read(change: Change): Settings | readonly string[] {
  const answer = readSettings({ ...file.settings, ...change });
  return answer.kind === 'ok' ? answer.settings : answer.problems.map(({ detail }) => detail);
}
function settingsOf(change: Change): Settings {
  const answer = read(change);
  if (!('store' in answer)) throw new Error(answer.join('\n'));
  return answer;
}
function problemsOf(change: Change): readonly string[] {
  const answer = read(change);
  return 'store' in answer ? [] : answer;
}
const oneMailbox = (change: object): Change => ({
  MAILBOXES: JSON.stringify([{ address: 'desk@example.com', ...change }]),
});
const mailboxOf = (change: object): Settings['mailboxes'][number] | undefined =>
  settingsOf(oneMailbox(change)).mailboxes[0];

describe('whole numbers', () => {
  test.each([
    ['MAX_MESSAGE_MEGABYTES', 1, 150],
    ['GIVE_UP_AFTER_HOURS', 1, 720],
    ['RETENTION_DAYS', 1, 3_650],
    ['MAX_RECIPIENTS', 1, 1_000],
  ])('%s is from %i to %i', (name, least, most) => {
    for (const text of [String(least), String(most), ` ${least} `])
      expect(problemsOf({ [name]: text })).toEqual([]);
    for (const text of [least - 1, most + 1, -1, `${least}.5`, 'x1', '1x', '1e1', '1000000000']) {
      expect(problemsOf({ [name]: String(text) })).toEqual([
        expect.stringMatching(
          new RegExp(`^${name} must be a whole number from ${least} to ${most}; leave it out for`),
        ),
      ]);
    }
  });

  test('they come out in milliseconds and bytes', () => {
    const settings = settingsOf({
      MAX_MESSAGE_MEGABYTES: '2',
      GIVE_UP_AFTER_HOURS: '3',
      RETENTION_DAYS: '4',
      MAX_RECIPIENTS: '5',
    });
    expect(settings.submissions).toEqual({ recipientsCount: 5, contentBytes: 2_097_152 });
    expect(settings.outbound).toMatchObject({
      giveUpAfterMs: 10_800_000,
      retentionMs: 345_600_000,
      blobMostBytes: 2_097_152,
    });
  });
});

describe('numbers of the protocols', () => {
  type Table = Readonly<Record<string, readonly [least: number, most: number]>>;
  const tables: readonly (readonly [string, Table])[] = [
    ['OUTBOUND_NUMBERS', adjustableNumbers],
    ['INBOUND_NUMBERS', adjustableInboundNumbers],
    ['HEARTBEAT_NUMBERS', adjustableHeartbeatNumbers],
  ];

  test.each(
    tables.flatMap(([setting, table]) =>
      Object.entries(table).map(([name, [least, most]]) => [setting, name, least, most] as const),
    ),
  )('%s.%s is a whole number from %i to %i', (setting, name, least, most) => {
    expect(least).toBeLessThan(most);
    expect(least).toBeGreaterThanOrEqual(0);
    const refused = `${setting}.${name} must be a whole number from ${least} to ${most}.`;
    const told = (value: unknown): readonly string[] =>
      problemsOf({ [setting]: JSON.stringify({ [name]: value }) });
    for (const value of [least, most]) expect(told(value)).not.toContain(refused);
    for (const value of [least - 1, most + 1, least + 0.5, String(least), null])
      expect(told(value)).toContain(refused);
  });

  test('none is longer than the years for which a blob may be kept', () => {
    const longest = Math.max(...tables.flatMap(([, table]) => Object.values(table).map(([, most]) => most)));
    expect(longest).toBe(3_650 * 86_400_000);
    expect(adjustableNumbers).toMatchObject({
      dayMs: [1_000, 172_800_000],
      connectMs: [500, 300_000],
      publishEveryMs: [10, 300_000],
      longestBackoffMs: [100, 86_400_000],
      secondLookupMs: [0, 86_400_000],
      lookupRetryMs: [100, 86_400_000],
      lookupMs: [500, 600_000],
      firstDeferralMs: [10, 86_400_000],
      longestDeferralMs: [10, 172_800_000],
      probeAtLeastMs: [10, 86_400_000],
      longestProbeMs: [10, 172_800_000],
    });
    expect(adjustableInboundNumbers).toMatchObject({
      reserveMs: [500, 300_000],
      longestRetryDelayMs: [100, 86_400_000],
    });
  });

  test('what is read is what was written', () => {
    expect(settingsOf({ INBOUND_NUMBERS: '{"leaseMs":20000}' }).inbound).toMatchObject({ leaseMs: 20_000 });
    expect(settingsOf({ OUTBOUND_NUMBERS: '{"pollMs":20}' }).outbound).toMatchObject({ pollMs: 20 });
    expect(settingsOf({}).inbound).toEqual({ contentKeptMs: 30 * 86_400_000 });
    expect(problemsOf({ INBOUND_NUMBERS: 'x' })).toEqual([
      'INBOUND_NUMBERS is not valid JSON; write {"leaseMs":10000}, or leave it out.',
    ]);
    expect(problemsOf({ OUTBOUND_NUMBERS: 'null' })).toEqual([
      'OUTBOUND_NUMBERS must be an object such as {"periodMs":10000}, and is null.',
    ]);
  });
});

describe('servers', () => {
  test.each([
    ['smtp.example.com:1', true],
    ['smtp.example.com:65535', true],
    ['a:587', true],
    [`${'a'.repeat(254)}:587`, true],
    [`${'a'.repeat(255)}:587`, false],
    ['smtp.example.com:0', false],
    ['smtp.example.com:65536', false],
    ['smtp.example.com:123456', false],
    ['smtp.example.com', false],
    ['-smtp.example.com:587', false],
    ['smtp.example.com-:587', false],
    ['smtp.example.com.:587', false],
    ['smtp://smtp.example.com:587', false],
    ['smtp.example.com:587/', false],
    [':587', false],
    ['smtp_x.example.com:587', false],
  ])('%s may be a server: %s', (text, expected) => {
    expect(problemsOf({ SMTP_SERVER: text }).length === 0).toBe(expected);
  });

  test('a host comes out in lower case', () => {
    expect(settingsOf({ SMTP_SERVER: 'SMTP.Example.com:587' }).smtp).toEqual({
      host: 'smtp.example.com',
      port: 587,
    });
  });

  test.each([
    [{ SMTP_SERVER: 'smtp.example.com:25' }, 'MX, port 25'],
    [{ SMTP_SERVER: 'example-com.mail.protection.outlook.com:587' }, 'MX, port 25'],
    [{ SMTP_SERVER: 'example-com.b-v1.MX.microsoft:587' }, 'MX, port 25'],
    [
      { SMTP_SERVER: 'smtp.example.com:465' },
      'names port 465: Exchange Online has no SMTP with TLS from the start',
    ],
    [{ IMAP_SERVER: 'imap.example.com:143' }, 'names port 143: IMAP needs TLS from the start'],
  ])('%j is named as the wrong one', (change, words) => {
    expect(problemsOf(change)).toEqual([expect.stringContaining(words)]);
  });

  test.each([
    { IMAP_SERVER: 'imap.example.com:25' },
    { IMAP_SERVER: 'x.mail.protection.outlook.com:993' },
    { IMAP_SERVER: 'imap.example.com:465' },
    { SMTP_SERVER: 'smtp.example.com:143' },
    { SMTP_SERVER: 'mail.protection.outlook.com.example:587' },
    { SMTP_SERVER: 'xmail.protection.outlook.com:587' },
  ])('%j is nobody’s mistake', (change) => {
    expect(problemsOf(change)).toEqual([]);
  });
});

describe('addresses of services', () => {
  test.each([
    ['https://bridge.vault.azure.net', 'https://bridge.vault.azure.net'],
    ['https://bridge.vault.azure.net///', 'https://bridge.vault.azure.net'],
    [' https://bridge.vault.azure.net ', 'https://bridge.vault.azure.net'],
  ])('%j is read as %s', (text, url) => {
    expect(settingsOf({ KEY_VAULT_URL: text }).vault.url).toBe(url);
  });

  test.each([
    ['http://bridge.vault.azure.net', 'must be an https address; write https://NAME.vault.azure.net'],
    ['bridge.vault.azure.net', 'must be an https address'],
    ['https://', 'must be an https address'],
    ['https://x.test/?sig=1', 'without a query, a fragment or a user (no SAS token); write https://NAME'],
    ['https://x.test/#f', 'without a query'],
    ['https://user@x.test', 'without a query'],
    ['https://:word@x.test', 'without a query'],
  ])('%s is refused', (text, words) => {
    expect(problemsOf({ KEY_VAULT_URL: text })).toEqual([expect.stringContaining(words)]);
  });

  test.each<[Change, string | undefined]>([
    [{ PUBLIC_URL: 'http://localhost:7071/' }, 'http://localhost:7071'],
    [{ PUBLIC_URL: 'http://localhost' }, 'http://localhost'],
    [{ PUBLIC_URL: 'https://bridge.example/' }, 'https://bridge.example'],
    [{ WEBSITE_HOSTNAME: 'app.example' }, 'https://app.example'],
    [{ WEBSITE_HOSTNAME: 'app.example', PUBLIC_URL: 'https://bridge.example' }, 'https://bridge.example'],
    [{}, undefined],
  ])('browsers reach %j at %s', (change, publicUrl) => {
    const settings = settingsOf({ PUBLIC_URL: undefined, ...change });
    expect(settings.publicUrl).toBe(publicUrl);
    expect(Object.hasOwn(settings, 'publicUrl')).toBe(publicUrl !== undefined);
  });

  test.each([
    'http://localhost.example',
    'http://localhost:123456',
    'http://localhost/path',
    'xhttp://localhost',
    'http://bridge.example',
  ])('%s is no address for browsers', (text) => {
    expect(problemsOf({ PUBLIC_URL: text })).toEqual([
      expect.stringContaining('PUBLIC_URL must be an https'),
    ]);
  });

  test.each([
    ['abc', true],
    ['a-b-c', true],
    ['a'.repeat(63), true],
    ['ab', false],
    ['a'.repeat(64), false],
    ['a--b', false],
    ['-abc', false],
    ['abc-', false],
    ['Abc', false],
    ['a_bc', false],
  ])('%s names a container: %s', (text, expected) => {
    expect(problemsOf({ UPLOAD_CONTAINER: text }).length === 0).toBe(expected);
    if (expected) expect(settingsOf({ UPLOAD_CONTAINER: text }).uploadContainer).toBe(text);
  });
});

describe('flags and choices', () => {
  test.each([
    ['KEY_VAULT_CHECK_CHALLENGE', 'FALSE', 'checkChallenge', false],
    ['KEY_VAULT_CHECK_CHALLENGE', '', 'checkChallenge', true],
    ['STORE_GRANTS_AT_ONCE', 'True', 'storeGrantsAtOnce', true],
    ['STORE_GRANTS_AT_ONCE', ' ', 'storeGrantsAtOnce', false],
  ] as const)('%s=%j', (name, text, field, expected) => {
    expect(settingsOf({ [name]: text }).vault[field]).toBe(expected);
  });

  test('another word is refused with the words there are', () => {
    expect(problemsOf({ STORE_GRANTS_AT_ONCE: 'yes' })).toEqual([
      'STORE_GRANTS_AT_ONCE must be true or false; leave it out for false.',
    ]);
    expect(problemsOf({ IN_DOUBT: 'wait' })).toEqual([
      'IN_DOUBT must be hold or resend; leave it out for hold.',
    ]);
    expect(settingsOf({ IN_DOUBT: 'Resend' }).outbound.inDoubtPolicy).toBe('resend');
  });
});

describe('the store', () => {
  const uri = (service: string): string => `https://bridge.${service}.core.windows.net`;
  const byIdentity = {
    MailStore: undefined,
    MailStore__queueServiceUri: uri('queue'),
    MailStore__blobServiceUri: uri('blob'),
    MailStore__tableServiceUri: uri('table'),
    MailStore__credential: 'ManagedIdentity',
  };

  test('by identity: three addresses, or the account’s name', () => {
    const store = {
      kind: 'identity',
      queueServiceUri: uri('queue'),
      blobServiceUri: uri('blob'),
      tableServiceUri: uri('table'),
    };
    expect(settingsOf(byIdentity).store).toEqual(store);
    expect(settingsOf({ MailStore: undefined, MailStore__accountName: 'bridge' }).store).toEqual(store);
    const clientId = guid.replaceAll('1', 'A');
    expect(settingsOf({ ...byIdentity, MailStore__clientId: clientId }).store).toEqual({
      ...store,
      clientId: clientId.toLowerCase(),
    });
  });

  test.each([
    ['ab', false],
    ['abc', true],
    ['a'.repeat(24), true],
    ['a'.repeat(25), false],
    ['Abc', false],
    ['a-c', false],
  ])('the account’s name %s: %s', (name, expected) => {
    const change = { MailStore: undefined, MailStore__accountName: name };
    expect(problemsOf(change).length === 0).toBe(expected);
    expect(readStoreAddress({ ...file.settings, ...change }).kind).toBe(expected ? 'ok' : 'problems');
  });

  test.each([
    ['UseDevelopmentStorage=true', true],
    ['usedevelopmentstorage=TRUE;', true],
    ['xUseDevelopmentStorage=true', false],
    ['UseDevelopmentStorage=true;x', false],
    ['DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b', true],
    ['AccountName=a;AccountKey=b', true],
    ['BlobEndpoint=x; TableEndpoint=https://x', true],
    ['AccountName=a', false],
    ['MyAccountName=a;b', false],
    ['AccountKey=b;', false],
  ])('the connection string %s: %s', (text, expected) => {
    expect(readStoreAddress({ MailStore: text })).toEqual(
      expected
        ? { kind: 'ok', store: { kind: 'connectionString', connectionString: text } }
        : { kind: 'problems', problems: [expect.objectContaining({ setting: 'MailStore' })] },
    );
  });

  test('one form alone, and all of it', () => {
    expect(problemsOf({ ...byIdentity, MailStore: 'UseDevelopmentStorage=true' })).toEqual([
      expect.stringContaining('is there in both forms'),
    ]);
    expect(problemsOf({ MailStore__accountName: 'bridge' })).toEqual([
      expect.stringContaining('is there in both forms'),
    ]);
    expect(problemsOf({ ...byIdentity, MailStore__blobServiceUri: undefined })).toEqual([
      'MailStore__blobServiceUri is missing, although related settings are set; write https://NAME.blob.core.windows.net.',
    ]);
    expect(problemsOf({ MailStore: undefined })).toEqual([
      expect.stringContaining('MailStore is missing; write'),
    ]);
    expect(problemsOf({ ...byIdentity, MailStore__credential: 'key' })).toEqual([
      expect.stringContaining('must be managedidentity'),
    ]);
    expect(problemsOf({ ...byIdentity, MailStore__clientId: `${guid}0` })).toEqual([
      expect.stringContaining('MailStore__clientId must be a client id'),
    ]);
    expect(problemsOf({ ...byIdentity, MailStore__clientId: `0${guid}` })).toHaveLength(1);
  });
});

describe('mailboxes', () => {
  const many = (count: number, from = 0): string =>
    JSON.stringify(Array.from({ length: count }, (_, n) => ({ address: `m${from + n}@example.com` })));

  test('at most a hundred, over all their settings', () => {
    expect(settingsOf({ MAILBOXES: many(60), MAILBOXES_2: many(40, 60) }).mailboxes).toHaveLength(100);
    expect(problemsOf({ MAILBOXES: many(60), MAILBOXES_2: many(41, 60) })).toEqual([
      'MAILBOXES has more than 100 mailboxes; run a second deployment for the others.',
    ]);
    expect(settingsOf({ MAILBOXES_5: many(1, 500) }).mailboxes).toHaveLength(2);
  });

  test('the same address twice is told with its place', () => {
    expect(problemsOf({ MAILBOXES: many(2), MAILBOXES_3: '[{"address":"M1@Example.com"}]' })).toEqual([
      expect.stringMatching(
        /^MAILBOXES_3\[0\]\.address is there twice \("?m1@example\.com"?; addresses are compared/,
      ),
    ]);
  });

  test.each([
    ['[{]', /^MAILBOXES is not valid JSON at character 2; write \[\{"address"/],
    ['[', /^MAILBOXES is not valid JSON( at character 1)?; write/],
    ['[]', /^MAILBOXES must be a list with at least one mailbox, and is empty; write \[\{"address"/],
    ['{}', /^MAILBOXES must be a list with at least one mailbox, and is an object; write/],
    ['[7]', /^MAILBOXES\[0\] must be an object such as \{"address":"desk@example\.com"\}, and is a number/],
    ['[null]', /^MAILBOXES\[0\] must be an object such as .* and is null/],
    ['[[]]', /^MAILBOXES\[0\] must be an object such as .* and is a list/],
    ['[{}]', /^MAILBOXES\[0\]\.address is missing; write the address of the mailbox/],
    ['[{"address":7}]', /^MAILBOXES\[0\]\.address must be an address, and is a number/],
  ])('%s is refused', (text, words) => {
    expect(problemsOf({ MAILBOXES: text })).toEqual([expect.stringMatching(words)]);
  });

  test('what a template leaves out as null has its default', () => {
    const fields = [
      'signIn',
      'aliases',
      'fromName',
      'imapUser',
      'smtpUser',
      'send',
      'receive',
      'folder',
      'afterFetch',
      'limits',
    ];
    const nulls = Object.fromEntries(fields.map((name) => [name, null]));
    expect(mailboxOf(nulls)).toEqual(mailboxOf({}));
    expect(mailboxOf({})).not.toHaveProperty('aliases');
    expect(mailboxOf({})).not.toHaveProperty('fromName');
    expect(mailboxOf({ limits: { connections: null } })).toEqual(mailboxOf({}));
  });

  test('addresses are trimmed, aliases are each once and not the address itself', () => {
    expect(mailboxOf({ imapUser: ' imap@example.com ', smtpUser: 'smtp@example.com' })).toMatchObject({
      imapUser: 'imap@example.com',
      smtpUser: 'smtp@example.com',
    });
    const aliases = [' help@example.com ', 'HELP@example.com', 'Desk@example.com', 'info@example.com'];
    expect(mailboxOf({ aliases })?.aliases).toEqual(['help@example.com', 'info@example.com']);
  });

  const addresses = (count: number): readonly string[] =>
    Array.from({ length: count }, (_, n) => `a${n}@example.com`);
  test.each<[object, string | undefined]>([
    [{ aliases: addresses(50) }, undefined],
    [{ aliases: addresses(51) }, '.aliases has 51 addresses; at most 50 are allowed'],
    [
      { aliases: 'help@example.com' },
      '.aliases must be a list of addresses such as ["help@example.com"], and is',
    ],
    [{ aliases: [7] }, '.aliases[0] must be an address, and is a number'],
    [{ aliases: ['a@example.com', 'x'] }, '.aliases[1] '],
    [{ fromName: 'n'.repeat(256) }, undefined],
    [{ fromName: 'n'.repeat(257) }, '.fromName must be a display name of at most 256 characters'],
    [{ fromName: ' ' }, '.fromName must be a display name'],
    [{ fromName: 7 }, '.fromName must be a display name'],
    [{ fromName: 'a\nb' }, '.fromName '],
    [{ signIn: 'application' }, undefined],
    [{ signIn: 'password' }, '.signIn must be "delegated" or "application"'],
    [{ send: 'true' }, '.send must be true or false, without quotation marks, and is'],
    [{ receive: 1 }, '.receive must be true or false, without quotation marks, and is a number'],
    [{ send: false }, undefined],
    [{ receive: false }, undefined],
    [{ send: false, receive: false }, '[0] neither sends nor receives; set one of the two to true'],
    [{ folder: 'f'.repeat(200) }, undefined],
    [
      { folder: 'f'.repeat(201) },
      '.folder must be the name of a folder, of at most 200 characters and without * or %',
    ],
    [{ folder: ' ' }, '.folder must be'],
    [{ folder: 'a*' }, '.folder must be'],
    [{ folder: 'a%' }, '.folder must be'],
    [{ folder: 'a\u007f' }, '.folder must be'],
    [{ folder: 7 }, '.folder must be'],
    [{ afterFetch: 'seen' }, undefined],
    [{ afterFetch: 'delete' }, undefined],
    [{ afterFetch: 'move:Done' }, undefined],
    [{ afterFetch: 'xmove:Done' }, '.afterFetch must be "none", "seen", "delete" or "move:FOLDER"'],
    [{ afterFetch: 'move:' }, '.afterFetch must be'],
    [{ afterFetch: 7 }, '.afterFetch must be'],
    [{ afterFetch: 'move:inbox' }, '.afterFetch moves to the folder that is fetched; name another one'],
    [{ folder: 'Desk', afterFetch: 'move:DESK' }, '.afterFetch moves to the folder'],
    [{ limits: { messagesPerMinute: 1, recipientsPerDay: 1, connections: 1 } }, undefined],
    [{ limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 } }, undefined],
    [
      { limits: { messagesPerMinute: 0 } },
      '.limits.messagesPerMinute must be a whole number from 1 to 30, which is what',
    ],
    [{ limits: { messagesPerMinute: 31 } }, '.limits.messagesPerMinute must be'],
    [
      { limits: { recipientsPerDay: 10_001 } },
      '.limits.recipientsPerDay must be a whole number from 1 to 10000',
    ],
    [{ limits: { connections: 1.5 } }, '.limits.connections must be a whole number from 1 to 3'],
    [{ limits: { connections: '1' } }, '.limits.connections must be'],
    [{ limits: [] }, '.limits must be an object such as {"messagesPerMinute":20}, and is a list'],
    [{ limits: { perHour: 1 } }, '.limits.perHour'],
    [{ colour: 1 }, '.colour'],
  ])('%j', (change, words) => {
    const problems = problemsOf(oneMailbox(change));
    if (words === undefined) expect(problems).toEqual([]);
    else expect(problems).toEqual([expect.stringContaining(words)]);
  });

  test('what happens after the fetch comes out as its kind', () => {
    expect(mailboxOf({ afterFetch: 'seen' })?.afterFetch).toEqual({ kind: 'seen' });
    expect(mailboxOf({ afterFetch: 'delete' })?.afterFetch).toEqual({ kind: 'delete' });
    expect(mailboxOf({ afterFetch: 'move:Done' })?.afterFetch).toEqual({ kind: 'move', folder: 'Done' });
    expect(mailboxOf({ fromName: ' The Desk ' })?.fromName).toBe('The Desk');
    expect(mailboxOf({ limits: { connections: 2 } })?.limits).toEqual({
      messagesPerMinute: 30,
      recipientsPerDay: 10_000,
      connections: 2,
    });
  });
});

describe('the app’s identity', () => {
  const endpoint = (tenant: string, end = '/oauth2/v2.0/authorize'): Change => ({
    OAUTH_AUTHORIZE_ENDPOINT: `https://login.example.test/${tenant}${end}`,
  });

  test.each<[Change, string]>([
    [endpoint('{tenant}'), 'still has the placeholder for the tenant'],
    [endpoint('TENANT-ID'), 'still has the placeholder'],
    [endpoint('tenantid'), 'still has the placeholder'],
    [endpoint('Common'), 'for a tenant; write the directory (tenant) id'],
    [endpoint('organizations'), 'for a tenant; write'],
    [endpoint('consumers'), 'for a tenant; write'],
    [endpoint(guid, '/oauth2/v2.0/token'), 'is the token endpoint; write the one that ends in /authorize'],
    [endpoint(guid, '/oauth2/authorize'), 'is the old endpoint (v1)'],
    [
      endpoint(guid, '/oauth2/v2.0/authorize/more'),
      'is not an authorize endpoint; write https://login.microsoft',
    ],
    [endpoint(guid, '/oauth2/v2.0/authorize?x=1'), 'is not an authorize endpoint'],
    [endpoint(guid, '/oauth2/v2.0/authorize#x'), 'is not an authorize endpoint'],
    [endpoint('a_b'), 'is not an authorize endpoint'],
    [endpoint('a'.repeat(256)), 'is not an authorize endpoint'],
    [
      { OAUTH_AUTHORIZE_ENDPOINT: `http://login.example.test/${guid}/oauth2/v2.0/authorize` },
      'is not an https address; write',
    ],
    [{ OAUTH_AUTHORIZE_ENDPOINT: 'x' }, 'is not an https address'],
    [{ OAUTH_CLIENT_ID: 'x' }, 'is not an application (client) id; copy it'],
    [{ OAUTH_CLIENT_ID: `{${guid}` }, 'is not an application (client) id'],
    [{ OAUTH_CLIENT_ID: `x{${guid}}` }, 'is not an application (client) id'],
    [{ OAUTH_AUTHORIZE_ENDPOINT: undefined }, 'OAUTH_AUTHORIZE_ENDPOINT is missing; write https://login'],
    [{ OAUTH_CLIENT_ID: undefined }, 'OAUTH_CLIENT_ID is missing; write the application (client) id'],
    [{ OAUTH_APPLICATION_SCOPE: 'https://x.test' }, 'must be a resource and /.default'],
    [{ OAUTH_APPLICATION_SCOPE: 'x/.default' }, 'must be a resource and /.default'],
    [{ OAUTH_APPLICATION_SCOPE: 'https://x.test/.default/x' }, 'must be a resource and /.default'],
    [
      { OAUTH_CLIENT_SECRET: 's', OAUTH_CLIENT_SECRET_EXPIRES: '2027-11' },
      'must be a day such as 2027-11-25',
    ],
    [{ OAUTH_CLIENT_SECRET: 's', OAUTH_CLIENT_SECRET_EXPIRES: '2027-13-40' }, 'must be a day such as'],
    [{ OAUTH_CLIENT_SECRET: 's', OAUTH_CLIENT_SECRET_EXPIRES: 'x2027-11-25' }, 'must be a day such as'],
    [{ OAUTH_CLIENT_SECRET: 's', OAUTH_CLIENT_SECRET_EXPIRES: '2027-11-25x' }, 'must be a day such as'],
    [{ OAUTH_CLIENT_SECRET: guid }, "is the secret's id; copy its value"],
    [
      { OAUTH_CLIENT_CERTIFICATE: '-----BEGIN CERTIFICATE-----' },
      'must hold a certificate and its private key',
    ],
    [
      { OAUTH_CLIENT_CERTIFICATE: '-----BEGIN PRIVATE KEY-----' },
      'must hold a certificate and its private key',
    ],
    [{ OAUTH_CLIENT_CERTIFICATE: 'eA==' }, 'must hold a certificate and its private key'],
  ])('%j is refused', (change, words) => {
    expect(problemsOf(change)).toEqual([expect.stringContaining(words)]);
  });

  test('its endpoint is read in any case of its path, with a lost slash or one too many', () => {
    for (const text of [
      `https://login.example.test/${guid}/oauth2/v2.0/authorize//`,
      `https:/login.example.test/${guid}/OAuth2/v2.0/Authorize`,
      `HTTPS:/login.example.test/${guid}/oauth2/v2.0/authorize`,
    ]) {
      expect(settingsOf({ OAUTH_AUTHORIZE_ENDPOINT: text }).signIn).toMatchObject({
        authorityHost: 'https://login.example.test',
        tenant: guid,
        authorizeEndpoint: `https://login.example.test/${guid}/oauth2/v2.0/authorize`,
        tokenEndpoint: `https://login.example.test/${guid}/oauth2/v2.0/token`,
      });
    }
    expect(settingsOf(endpoint('a'.repeat(255))).signIn.tenant).toHaveLength(255);
    expect(settingsOf({ OAUTH_CLIENT_ID: `{${guid.replaceAll('1', 'A')}}` }).signIn.clientId).toBe(
      guid.replaceAll('1', 'a'),
    );
  });

  const scope = (name: string, host = 'outlook.office.com'): string => `https://${host}/${name}`;
  const both = `${scope('IMAP.AccessAsUser.All')} ${scope('SMTP.Send')}`;
  test.each<[string, readonly string[]]>([
    [both, both.split(' ')],
    [both.replace(' ', ','), both.split(' ')],
    [both.replace(' ', '; '), both.split(' ')],
    [`openid ${both} Profile email offline_access`, both.split(' ')],
    [`${both} ${scope('SMTP.Send')}`, both.split(' ')],
    [both.replaceAll('https://', 'https:/'), both.split(' ')],
    [both.toLowerCase(), both.toLowerCase().split(' ')],
    [scope('.default'), [scope('.default')]],
  ])('the scopes %s', (text, scopes) => {
    expect(settingsOf({ OAUTH_SCOPES: text }).signIn.scopes).toEqual([...scopes, 'offline_access']);
  });

  test.each<[string, string]>([
    [`${both} x`, 'which is no scope'],
    [`${both} https://outlook.office.com/`, 'which is no scope'],
    [`${both} http://outlook.office.com/x`, 'which is no scope'],
    [`${both} ${scope('Mail.Send', 'graph.microsoft.com')}`, 'requests Microsoft Graph'],
    [scope('SMTP.Send'), 'lacks IMAP.AccessAsUser.All, without which no mail is fetched'],
    [scope('IMAP.AccessAsUser.All'), 'lacks SMTP.Send, without which no mail is sent'],
    [
      `${scope('IMAP.AccessAsUser.All')} ${scope('SMTP.Send', 'outlook.office365.com')}`,
      'and one request can name only one resource',
    ],
    [Array.from({ length: 21 }, () => scope('.default')).join(' '), 'has 21 scopes; two are enough'],
  ])('the scopes %s are refused', (text, words) => {
    expect(problemsOf({ OAUTH_SCOPES: text })).toEqual([expect.stringContaining(words)]);
  });

  test('twenty scopes are no fault, and what no mailbox needs is not asked for', () => {
    const twenty = Array.from({ length: 20 }, () => scope('.default')).join(' ');
    expect(problemsOf({ OAUTH_SCOPES: twenty })).toEqual([]);
    const lacks = (change: object, text: string): number =>
      problemsOf({ ...oneMailbox(change), OAUTH_SCOPES: text }).length;
    expect(lacks({ receive: false }, scope('SMTP.Send'))).toBe(0);
    expect(lacks({ send: false }, scope('IMAP.AccessAsUser.All'))).toBe(0);
    expect(lacks({ signIn: 'application' }, scope('x'))).toBe(0);
  });

  test('its credential: a secret with its end, a certificate, or a managed identity', () => {
    const credential = (change: Change): unknown => settingsOf(change).signIn.credential;
    expect(credential({ OAUTH_CLIENT_SECRET: 's' })).toEqual({ kind: 'secret', secret: 's' });
    expect(credential({ OAUTH_CLIENT_SECRET: 's', OAUTH_CLIENT_SECRET_EXPIRES: '2027-11-25' })).toEqual({
      kind: 'secret',
      secret: 's',
      expiresAt: Date.UTC(2027, 10, 25),
    });
    const pem = '-----BEGIN CERTIFICATE-----\nx\n-----BEGIN PRIVATE KEY-----\ny';
    expect(credential({ OAUTH_CLIENT_CERTIFICATE: pem })).toEqual({ kind: 'certificate', pem });
    expect(credential({ OAUTH_CLIENT_CERTIFICATE: pem.replaceAll('\n', '\\n') })).toEqual({
      kind: 'certificate',
      pem,
    });
    expect(credential({ OAUTH_CLIENT_CERTIFICATE: Buffer.from(pem).toString('base64') })).toEqual({
      kind: 'certificate',
      pem,
    });
    expect(credential({})).toEqual({ kind: 'managedIdentity' });
    const identity = guid.replaceAll('1', 'A');
    const read = { kind: 'managedIdentity', clientId: identity.toLowerCase() };
    expect(credential({ MANAGED_IDENTITY_CLIENT_ID: identity })).toEqual(read);
    const store = { MailStore: undefined, MailStore__accountName: 'bridge', MailStore__clientId: identity };
    expect(credential(store)).toEqual(read);
    expect(credential({ ...store, MANAGED_IDENTITY_CLIENT_ID: guid })).toEqual({ ...read, clientId: guid });
  });
});

describe('ESM’s settings', () => {
  test('are written as its manual prints them, and read back', () => {
    const authorizeEndpoint = `https://login.example.test/${guid}/oauth2/v2.0/authorize`;
    const scopes = [
      'https://outlook.office.com/IMAP.AccessAsUser.All',
      'https://outlook.office.com/SMTP.Send',
    ];
    const pasted = writeEsmSettings({
      authorizeEndpoint,
      clientId: guid,
      scopes: [...scopes, 'offline_access'],
    });
    expect(pasted.split('\n')).toEqual([
      'mail.oauth.enabled = true',
      `mail.oauth.authorize.endpoint = ${authorizeEndpoint}`,
      `mail.oauth.client.id = ${guid}`,
      `mail.oauth.scopes = ${scopes.join(',')}`,
    ]);
    const none = { OAUTH_AUTHORIZE_ENDPOINT: undefined, OAUTH_CLIENT_ID: undefined, OAUTH_SCOPES: undefined };
    expect(settingsOf({ ...none, ESM_MAIL_SETTINGS: pasted }).signIn).toMatchObject({
      authorizeEndpoint,
      clientId: guid,
      scopes: [...scopes, 'offline_access'],
    });
  });
});

describe('misspelt names', () => {
  test.each([
    ['Mailboxes', 'MAILBOXES'],
    ['MAIL_BOXES', 'MAILBOXES'],
    ['MAILBOXS', 'MAILBOXES'],
    ['SMTPSERVER', 'SMTP_SERVER'],
    ['SMPT_SERVER', 'SMTP_SERVER'],
    ['RETENTION_DAY', 'RETENTION_DAYS'],
    ['RETENTIONDAYSXX', 'RETENTION_DAYS'],
    ['KEY_VALUT_URI', 'KEY_VAULT_URL'],
  ])('%s is nearly %s', (name, near) => {
    expect(problemsOf({ [name]: 'x' })).toEqual(
      name === 'KEY_VALUT_URI' ? [] : [`${name} is not a setting; did you mean ${near}?`],
    );
  });

  test.each(['RETENTION', 'SMTP', 'PATH', 'IMAP_PORT_NUMBER', 'RETENTIONDAYSXXX'])(
    '%s is somebody else’s',
    (name) => {
      expect(problemsOf({ [name]: 'x' })).toEqual([]);
    },
  );

  test('what is not set is no mistake; MailStore’s own names are listed', () => {
    expect(problemsOf({ MAILBOXS: undefined })).toEqual([]);
    expect(problemsOf({ MailStore__somethingElse: 'x' })).toEqual([
      'MailStore__somethingElse is not a setting; those of MailStore are MailStore__accountName, MailStore__queueServiceUri, MailStore__blobServiceUri, MailStore__tableServiceUri, MailStore__credential, MailStore__clientId.',
    ]);
  });
});

describe('schedules', () => {
  const next = (text: string, after: string): string | undefined => {
    const answer = parseSchedule(text);
    if (answer.kind === 'invalid') throw new Error(answer.detail);
    const at = answer.schedule.next(Date.parse(after));
    return at === undefined ? undefined : new Date(at).toISOString();
  };

  test.each([
    ['* * * * * *', '2026-11-25T09:00:00.000Z', '2026-11-25T09:00:01.000Z'],
    ['* * * * * *', '2026-11-25T09:00:00.999Z', '2026-11-25T09:00:01.000Z'],
    ['59 59 23 * * *', '2026-11-25T23:59:58.000Z', '2026-11-25T23:59:59.000Z'],
    ['59 59 23 * * *', '2026-11-25T23:59:59.000Z', '2026-11-26T23:59:59.000Z'],
    ['0 0 0 1 1 *', '2026-11-25T09:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['0 0 9 * * Mon-Fri', '2026-11-27T09:00:00.000Z', '2026-11-30T09:00:00.000Z'],
    ['0 0 9 * sept 0', '2026-11-27T09:00:00.000Z', '2027-09-05T09:00:00.000Z'],
    ['0 10/20 * * * *', '2026-11-25T09:31:00.000Z', '2026-11-25T09:50:00.000Z'],
    ['0 10-30/20 * * * *', '2026-11-25T09:31:00.000Z', '2026-11-25T10:10:00.000Z'],
    ['0 5,3 * * * *', '2026-11-25T09:03:00.000Z', '2026-11-25T09:05:00.000Z'],
    ['0 0 0 13 * 5', '2026-11-25T09:00:00.000Z', '2027-08-13T00:00:00.000Z'],
    ['30 5 8 * * *', '2026-11-25T08:05:30.000Z', '2026-11-26T08:05:30.000Z'],
    ['0 0 0 29 2 6', '2026-11-25T09:00:00.000Z', '2048-02-29T00:00:00.000Z'],
    ['0 0 0 31 2 *', '2026-11-25T09:00:00.000Z', undefined],
    ['0 59 9 * * *', '2026-11-25T09:58:59.000Z', '2026-11-25T09:59:00.000Z'],
  ])('%s after %s is %s', (text, after, expected) => {
    expect(next(text, after)).toBe(expected);
  });

  test.each([
    ['00:05:00', 'is a time span'],
    ['1.00:05', 'is a time span'],
    ['*/5 * * * *', 'has five fields, and NCRONTAB has six: put the second in front, "0 */5 * * * *"'],
    ['* * * *', 'has 4 fields, and NCRONTAB has six (second, minute'],
    ['* * * * * * *', 'has 7 fields'],
    ['60 * * * * *', 'has "60" for the second; write *, a number from 0 to 59'],
    ['* 60 * * * *', 'for the minute'],
    ['* * 24 * * *', 'for the hour'],
    ['* * * 0 * *', 'for the day; write *, a number from 1 to 31'],
    ['* * * 32 * *', 'for the day'],
    ['* * * * 0 *', 'for the month; write *, a number from 1 to 12'],
    ['* * * * 13 *', 'for the month'],
    ['* * * * * 7', 'for the day of the week; write *, a number from 0 to 6'],
    ['* * * * ja *', 'for the month'],
    ['* * * * janx *', 'for the month'],
    ['*/0 * * * * *', 'for the second'],
    ['*/100 * * * * *', 'for the second'],
    ['*/x * * * * *', 'for the second'],
    ['*/5/5 * * * * *', 'for the second'],
    ['5-3 * * * * *', 'for the second'],
    ['1-2-3 * * * * *', 'for the second'],
    ['x5 * * * * *', 'for the second'],
    ['005 * * * * *', 'for the second'],
    ['5, * * * * *', 'for the second'],
    [`${'0,'.repeat(100)}0 * * * * *`, 'is too long'],
  ])('%s: %s', (text, words) => {
    const answer = parseSchedule(text);
    expect(answer.kind === 'invalid' ? answer.detail : 'ok').toContain(words);
  });

  test('as long as may be, with blanks around', () => {
    const longest = `  0${',0'.repeat(93)} * * * * *`;
    expect(parseSchedule(longest.padEnd(200)).kind).toBe('ok');
    expect(parseSchedule(longest.padEnd(201)).kind).toBe('invalid');
    expect(parseSchedule('5-5 * * * * *').kind).toBe('ok');
  });

  test.each(['x1:00', '1:00x', '1:000', '1:00:00:00', 'a.1:00'])('%s is no time span', (text) => {
    const answer = parseSchedule(text);
    expect(answer.kind === 'invalid' ? answer.detail : '').not.toContain('time span');
  });

  test.each([
    'january february march april may june july august september october november december',
    'sunday monday tuesday wednesday thursday friday saturday',
  ])('names: %s', (names) => {
    const isMonth = names.startsWith('january');
    for (const [index, name] of names.split(' ').entries()) {
      for (const written of [name, name.toUpperCase(), name.slice(0, 3)]) {
        const at = next(
          isMonth ? `0 0 0 1 ${written} *` : `0 0 0 * * ${written}`,
          '2026-11-25T09:00:00.000Z',
        );
        const date = new Date(at ?? 0);
        expect(isMonth ? date.getUTCMonth() : date.getUTCDay()).toBe(index);
      }
    }
  });
});

test('problems are read one a line', () => {
  const problems = ['A is missing.', 'B is wrong.'].map((detail) => ({ setting: 'A', detail }));
  expect(describeProblems({ problems })).toBe('A is missing.\nB is wrong.');
});

test.each([
  ['true', true],
  ['True', true],
  ['xtrue', false],
  ['truex', false],
  ['', false],
  [undefined, false],
])('the platform says %j of its own sign-in: on is %s', (text, expected) => {
  const before = process.env['WEBSITE_AUTH_ENABLED'];
  try {
    if (text === undefined) delete process.env['WEBSITE_AUTH_ENABLED'];
    else process.env['WEBSITE_AUTH_ENABLED'] = text;
    expect(isAuthenticationOn()).toBe(expected);
    expect(platformEnvironment()['WEBSITE_AUTH_ENABLED']).toBe(text);
  } finally {
    if (before === undefined) delete process.env['WEBSITE_AUTH_ENABLED'];
    else process.env['WEBSITE_AUTH_ENABLED'] = before;
  }
});
