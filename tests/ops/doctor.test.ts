// Misconfigurations, each made on the stand-ins for real and found by the doctor over real connections: the cause
// named first is the one that was made.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startExchange } from '../../local/emulators/exchange/exchange.ts';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import { systemClock } from '../../shared/clock.ts';
import { createImapLogin, createImapMailboxes } from '../../shared/exchange/imapMailbox.ts';
import { createImapSentItems } from '../../shared/exchange/imapSentItems.ts';
import { SmtpRelay } from '../../shared/exchange/smtpRelay.ts';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import { grantName } from '../../shared/oauth/grants.ts';
import { examine } from '../../shared/ops/doctor.ts';
import type { Diagnosis, DoctorDependencies } from '../../shared/ops/doctor.ts';
import {
  MINUTE_MS,
  REDIRECT_URI,
  SCOPES,
  fileCertificates,
  mailbox,
  robot,
  startWorld,
  support,
} from '../oauth/world.ts';
import type { World } from '../oauth/world.ts';

const desk: Mailbox = { ...mailbox('desk@example.test'), smtpUser: 'support@example.test' };

let world: World;
let exchange: Exchange;
beforeEach(async () => {
  world = await startWorld();
  const { cert, key } = await fileCertificates();
  exchange = await startExchange({
    cert,
    key,
    clock: systemClock,
    accounts: [
      support.address,
      robot.address,
      { address: desk.address, shared: true, delegates: [support.address], sendAs: [support.address] },
    ],
    checkToken: async (token) => {
      const check = await world.entra.checkToken(token);
      if (check.kind === 'bad') return check;
      return {
        ...check,
        audienceOk: true,
        ...(check.way === 'delegated' ? { user: check.user ?? '' } : { app: check.appId }),
      };
    },
  });
  for (const one of [support, desk]) await connect(one);
  // The permissions have long reached Exchange, unless a case says otherwise.
  world.clock.pass(120 * MINUTE_MS);
});
afterEach(async () => {
  await Promise.all([exchange.close(), world.close()]);
});

/** The mailbox is connected by `account`, with these scopes. */
async function connect(
  { address, smtpUser }: Mailbox,
  {
    account = smtpUser,
    scopes = SCOPES.join(' '),
  }: { readonly account?: string; readonly scopes?: string } = {},
): Promise<void> {
  const refreshToken = world.entra.grant(account, world.clientId, scopes);
  await world.worker().grants.connect(grantName(address), { refreshToken, account });
}

interface Changes {
  readonly settings?: Partial<World['settings']>;
  readonly smtpPort?: number;
  readonly imapPort?: number;
  readonly turn?: DoctorDependencies['acquireSmtpSlot'];
  readonly callers?: NonNullable<DoctorDependencies['callers']>;
  readonly hasIntake?: boolean;
}

async function diagnose(of: Mailbox, changes: Changes = {}): Promise<Diagnosis> {
  const { tokens, grants, askVault } = world.worker({
    ...(changes.settings && { settings: changes.settings }),
  });
  const clock = { ...systemClock, now: () => world.clock.now() };
  const login = createImapLogin({
    host: 'localhost',
    port: changes.imapPort ?? exchange.imapPort,
    tokens,
    clock: systemClock,
  });
  const others = [support, desk, robot].filter(({ address }) => address !== of.address);
  return examine(of.address, {
    mailboxes: [of, ...others],
    accounts: groupAccounts([of, ...others]),
    tenant: world.settings.tenant,
    tokens,
    grants,
    askVault,
    ...(changes.callers === undefined ? {} : { callers: changes.callers }),
    hasIntake: () => Promise.resolve(changes.hasIntake === true),
    imap: createImapMailboxes(login),
    sentItems: createImapSentItems(login),
    relay: new SmtpRelay({
      server: { host: 'localhost', port: changes.smtpPort ?? exchange.smtpPort },
      tokens,
      clock: systemClock,
    }),
    acquireSmtpSlot:
      changes.turn ??
      (() =>
        Promise.resolve({
          kind: 'granted',
          budget: { remainingMs: () => 30_000 },
          release: () => Promise.resolve(),
        })),
    clock,
  });
}

describe('everything works', () => {
  test.each([
    ['delegated', support],
    ['application', robot],
    ['a shared mailbox with a delegate', desk],
  ])('%s', async (_named, one) => {
    const { ok, steps, causes } = await diagnose(one);
    expect({ ok, causes }).toEqual({ ok: true, causes: [] });
    expect(steps.map(({ step }) => step)).toEqual([
      'settings',
      'vault',
      'token',
      'imapLogin',
      'folder',
      'sentItems',
      'smtpLogin',
      'envelope',
    ]);
  });

  test('keys, and the folder of failure reports while an intake reports', async () => {
    const callers = (): Promise<
      readonly { readonly name: string; readonly mailboxes?: readonly string[] }[]
    > => Promise.resolve([{ name: 'esm', mailboxes: [support.address] }, { name: 'crm' }]);
    const { causes, steps } = await diagnose({ ...support, receive: false }, { callers, hasIntake: true });
    expect(causes).toEqual([]);
    expect(steps.map(({ step }) => step)).toEqual([
      'settings',
      'vault',
      'keys',
      'token',
      'sentItems',
      'smtpLogin',
      'envelope',
      'failureReports',
    ]);
  });

  test('a mailbox that only sends is not asked for IMAP’s folder; one that only receives speaks no SMTP', async () => {
    const sends = await diagnose({ ...support, receive: false });
    expect(sends.steps.map(({ step }) => step)).toEqual([
      'settings',
      'vault',
      'token',
      'sentItems',
      'smtpLogin',
      'envelope',
    ]);
    const receives = await diagnose({ ...support, send: false });
    expect(receives.steps.map(({ step }) => step)).toEqual([
      'settings',
      'vault',
      'token',
      'imapLogin',
      'folder',
    ]);
    expect([sends.ok, receives.ok]).toEqual([true, true]);
  });
});

interface Case {
  readonly named: string;
  readonly of?: Mailbox;
  readonly change: () => Promise<Changes | undefined> | Changes | undefined;
  readonly failing: string;
  readonly cause: string;
  readonly remedy: string;
}

const app = (changes: Parameters<World['entra']['setApp']>[0]): undefined => {
  world.entra.setApp(changes);
  return undefined;
};
const account = (changes: Parameters<Exchange['account']>[0]): undefined => {
  exchange.account(changes);
  return undefined;
};
const registration = (): Parameters<World['entra']['setApp']>[0] => ({
  clientId: world.clientId,
  redirectUris: [REDIRECT_URI],
  federated: [{ subject: world.principalId }],
  roles: ['IMAP.AccessAsApp', 'SMTP.SendAsApp'],
});

const cases: readonly Case[] = [
  {
    named: 'nobody has connected the mailbox',
    of: mailbox('other@example.test'),
    change: () => undefined,
    failing: 'token',
    cause: 'Nobody has connected this mailbox yet.',
    remedy: 'connect it, signed in as the mailbox itself',
  },
  {
    named: 'the vault gives the identity no role',
    change: () => {
      world.vault.injectFault({ kind: 'forbidden' });
      return undefined;
    },
    failing: 'vault',
    cause: 'The program may not use the key vault’s secrets:',
    remedy: 'Key Vault Secrets Officer',
  },
  {
    named: 'the vault’s firewall is closed',
    change: () => {
      world.vault.injectFault({ kind: 'forbidden', inner: 'ForbiddenByFirewall' });
      return undefined;
    },
    failing: 'vault',
    cause: 'The key vault’s firewall keeps the program out:',
    remedy: 'Networking',
  },
  {
    named: 'the federated credential names another identity',
    change: () => {
      app({ ...registration(), federated: [{ subject: 'other' }] });
    },
    failing: 'token',
    cause: 'Entra did not accept the certificate or the managed identity’s token',
    remedy: 'object id',
  },
  {
    named: 'the client secret is wrong, so that not even the vault opens',
    change: () => ({ settings: { credential: { kind: 'secret', secret: 'wrong' } } }),
    failing: 'vault',
    cause: 'The client secret is wrong;',
    remedy: 'copy its Value',
  },
  {
    named: 'the managed identity is not assigned to the program',
    change: () => ({ settings: { credential: { kind: 'managedIdentity', clientId: 'other' } } }),
    failing: 'vault',
    cause: 'The managed identity gave no token:',
    remedy: 'MANAGED_IDENTITY_CLIENT_ID',
  },
  {
    named: 'the client id is of another tenant',
    change: () => ({ settings: { clientId: '99999999-0000-4000-8000-000000000000' } }),
    failing: 'token',
    cause: 'No app with this client id is known in the tenant.',
    remedy: 'OAUTH_CLIENT_ID',
  },
  {
    named: 'the app was disabled',
    change: () => {
      app({ ...registration(), disabled: true });
    },
    failing: 'token',
    cause: 'The app is disabled in this tenant.',
    remedy: 'Enabled for users to sign in',
  },
  {
    named: 'the sessions were revoked',
    change: () => {
      world.entra.revokeSessions(support.address);
      return undefined;
    },
    failing: 'token',
    cause: 'The password was reset or the sessions were revoked',
    remedy: 'connect the mailbox again',
  },
  {
    named: 'Conditional Access blocks the account',
    change: () => {
      world.entra.setAccount({ upn: support.address, refusedWith: 53003 });
      return undefined;
    },
    failing: 'token',
    cause: 'Conditional Access blocked the sign-in.',
    remedy: 'Allow this app',
  },
  {
    named: 'the scopes are of two resources',
    change: () => ({
      settings: {
        scopes: [
          'https://outlook.office.com/SMTP.Send',
          'https://outlook.office365.com/IMAP.AccessAsUser.All',
        ],
      },
    }),
    failing: 'token',
    cause: 'The scopes name two resources in one request.',
    remedy: 'Use one host',
  },
  {
    named: 'the scopes are of Microsoft Graph',
    change: async () => {
      const scopes =
        'https://graph.microsoft.com/IMAP.AccessAsUser.All https://graph.microsoft.com/SMTP.Send offline_access';
      await connect(support, { scopes });
      return { settings: { scopes: scopes.split(' ') } };
    },
    failing: 'token',
    cause: 'The token is for another resource than Exchange Online.',
    remedy: 'not Microsoft Graph',
  },
  {
    named: 'the administrator consented in place of the mailbox',
    change: async () => {
      await connect(support, { account: 'admin@example.test' });
      return undefined;
    },
    failing: 'token',
    cause: 'The sign-in was given by another account than the one that logs in to SMTP.',
    remedy: 'private window',
  },
  {
    named: 'SMTP.Send was not asked for',
    change: async () => {
      const scopes = `${SCOPES[0]} offline_access`;
      await connect(support, { scopes });
      return { settings: { scopes: scopes.split(' ') } };
    },
    failing: 'token',
    cause: 'The token lacks the permission SMTP.Send.',
    remedy: 'OAUTH_SCOPES',
  },
  {
    named: 'the app has no IMAP.AccessAsApp',
    of: robot,
    change: () => {
      app({ ...registration(), roles: ['SMTP.SendAsApp'] });
    },
    failing: 'token',
    cause: 'The token lacks the permission IMAP.AccessAsApp.',
    remedy: 'grant admin consent',
  },
  {
    named: 'the app has no SMTP.SendAsApp',
    of: robot,
    change: () => {
      app({ ...registration(), roles: ['IMAP.AccessAsApp'] });
    },
    failing: 'smtpLogin',
    cause: 'The app lacks the permission SMTP.SendAsApp.',
    remedy: 'App RBAC role',
  },
  {
    named: 'the service principal has no Full Access (or the registration’s object id was used)',
    of: robot,
    change: () => {
      account({ address: robot.address, apps: ['another app'] });
    },
    failing: 'imapLogin',
    cause:
      'The app’s service principal has no Full Access to the mailbox, or was made with the wrong object id.',
    remedy: 'Add-MailboxPermission -Identity robot@example.test',
  },
  {
    named: 'IMAP is off for the mailbox, application',
    of: robot,
    change: () => {
      account({ address: robot.address, imap: 'off' });
    },
    failing: 'imapLogin',
    cause: 'IMAP is switched off for the mailbox.',
    remedy: 'Set-CASMailbox -Identity robot@example.test -ImapEnabled $true',
  },
  {
    named: 'IMAP is off for the mailbox, delegated',
    change: () => {
      account({ address: support.address, imap: 'off' });
    },
    failing: 'imapLogin',
    cause: 'IMAP is switched off for the mailbox.',
    remedy: '-ImapEnabled $true',
  },
  {
    named: 'the delegate has no Full Access to the shared mailbox',
    of: desk,
    change: () => {
      account({ address: desk.address, shared: true, delegates: [] });
    },
    failing: 'imapLogin',
    cause: 'The account that signed in has no Full Access to the mailbox.',
    remedy: 'Add-MailboxPermission -Identity desk@example.test -User support@example.test',
  },
  {
    named: 'the folder is called otherwise in the mailbox’s language',
    of: { ...support, folder: 'Saapuneet' },
    change: () => undefined,
    failing: 'folder',
    cause: 'The mailbox has no folder Saapuneet.',
    remedy: 'INBOX always exists',
  },
  {
    named: 'SMTP AUTH is off for the mailbox',
    change: () => {
      account({ address: support.address, smtpAuth: 'offMailbox' });
    },
    failing: 'smtpLogin',
    cause: 'SMTP AUTH is switched off for the mailbox',
    remedy: '-SmtpClientAuthenticationDisabled $false',
  },
  {
    named: 'SMTP AUTH is off for the tenant',
    change: () => {
      account({ address: support.address, smtpAuth: 'offTenant' });
    },
    failing: 'smtpLogin',
    cause: 'SMTP AUTH is switched off for the',
    remedy: 'Disabled $false',
  },
  {
    named: 'a shared mailbox logs in to SMTP as itself',
    change: () => {
      account({ address: support.address, shared: true, delegates: [support.address] });
    },
    failing: 'smtpLogin',
    cause: 'The account is a shared mailbox, which cannot log in to SMTP with a delegated token.',
    remedy: 'Set smtpUser in MAILBOXES to a delegate',
  },
  {
    named: 'the account may not send as the address',
    of: desk,
    change: () => {
      exchange.injectFault({
        protocol: 'smtp',
        at: 'mail',
        does: {
          kind: 'reply',
          code: 550,
          enhanced: '5.7.60',
          text: 'SMTP; Client does not have permissions to send as this sender',
        },
      });
      return undefined;
    },
    failing: 'envelope',
    cause: 'The account may not send as this',
    remedy: 'Add-RecipientPermission',
  },
  {
    named: 'the sender is blocked for spam',
    change: () => {
      exchange.injectFault({
        protocol: 'smtp',
        at: 'mail',
        does: {
          kind: 'reply',
          code: 550,
          enhanced: '5.1.8',
          text: 'Access denied, bad outbound sender AS(42003)',
        },
      });
      return undefined;
    },
    failing: 'envelope',
    cause: 'block',
    remedy: 'Restricted entities',
  },
  {
    named: 'the SMTP server is not reached',
    change: () => ({ smtpPort: 1 }),
    failing: 'smtpLogin',
    cause: 'The mail server cannot be reached.',
    remedy: 'SMTP_SERVER',
  },
  {
    named: 'the IMAP server is not reached',
    change: () => ({ imapPort: 1 }),
    failing: 'imapLogin',
    cause: 'The mail server cannot be reached.',
    remedy: 'IMAP_SERVER',
  },
  {
    named: 'the mailbox is throttled',
    change: () => {
      exchange.injectFault({
        protocol: 'imap',
        at: 'EXAMINE',
        does: { kind: 'throttle', backoffMs: 90_000 },
      });
      return undefined;
    },
    failing: 'imapLogin',
    cause: 'Exchange is throttling this mailbox at the moment.',
    remedy: 'Wait',
  },
  {
    named: 'the mailbox was connected ten minutes ago, and IMAP does not know the delegate yet',
    of: desk,
    change: async () => {
      await connect(desk);
      world.clock.pass(10 * MINUTE_MS);
      account({ address: desk.address, shared: true, delegates: [] });
    },
    failing: 'imapLogin',
    cause: 'The mailbox was connected a short while ago',
    remedy: 'Wait until',
  },
  {
    named: 'the account is busy sending',
    change: () => ({
      turn: () => Promise.resolve({ kind: 'busy', detail: 'The lease is another worker’s.' }),
    }),
    failing: 'smtpLogin',
    cause: 'The account is sending at the moment',
    remedy: 'Try again in a minute.',
  },
];

describe(`${cases.length} misconfigurations, each named first`, () => {
  test.each(cases)('$named', async ({ of = support, change, failing, cause, remedy }) => {
    const diagnosis = await diagnose(of, (await change()) ?? {});
    expect(diagnosis.ok).toBe(false);
    expect(diagnosis.steps.find(({ ok }) => !ok)?.step).toBe(failing);
    const [first] = diagnosis.causes;
    expect(first?.cause.slice(0, cause.length + 200)).toContain(cause);
    expect(first?.remedy).toContain(remedy);
    expect(first?.evidence.length).toBeGreaterThan(5);
    // Nothing was sent, and no token is in the answer.
    expect(exchange.log.messages).toEqual([]);
    expect(JSON.stringify(diagnosis)).not.toMatch(/eyJ[A-Za-z0-9_-]{20}/);
  });
});

test('what was revoked a minute ago shows, although the tokens that workers hold are valid for an hour', async () => {
  const workers = world.worker();
  expect((await workers.tokens.get(support, 'smtp')).kind).toBe('token');
  world.clock.pass(2 * MINUTE_MS);
  world.entra.revokeSessions(support.address);
  expect((await workers.tokens.get(support, 'smtp')).kind).toBe('token');
  const diagnosis = await diagnose(support);
  expect(diagnosis.causes[0]?.cause).toContain('sessions were revoked');
});

test('an address that is not in MAILBOXES ends at the first step', async () => {
  const { mailboxes, ...rest } = { mailboxes: [support], accounts: [] };
  const parts = { ...rest, mailboxes } as unknown as DoctorDependencies;
  const diagnosis = await examine('nobody@example.test', { ...parts, clock: systemClock });
  expect(diagnosis).toMatchObject({
    ok: false,
    steps: [{ step: 'settings', ok: false }],
    causes: [{ remedy: 'Add it to MAILBOXES, or correct the address.' }],
  });
});

describe('HTTP callers and the SMTP intake', () => {
  test('keys that can’t be read', async () => {
    const { ok, causes } = await diagnose(support, {
      callers: () =>
        Promise.reject(new Error('The secret of the callers is damaged. Restore its version before.')),
    });
    expect(ok).toBe(false);
    expect(causes).toMatchObject([{ cause: 'The secret of the callers is damaged.' }]);
  });

  test('a key for a mailbox that is not served any more', async () => {
    const { steps, causes } = await diagnose(support, {
      callers: () => Promise.resolve([{ name: 'crm', mailboxes: ['gone@example.test'] }]),
    });
    expect(steps.find(({ step }) => step === 'keys')).toMatchObject({ ok: false });
    expect(causes).toMatchObject([
      {
        cause: 'The key of crm is for a mailbox that is not in the settings.',
        evidence: 'gone@example.test',
      },
    ]);
  });

  test('a folder for failure reports that is not there', async () => {
    const failureReports = { folder: 'Failures', autoSubmitted: true };
    const { steps, causes } = await diagnose({ ...support, failureReports }, { hasIntake: true });
    expect(steps.find(({ step }) => step === 'failureReports')).toMatchObject({ ok: false });
    expect(causes).toMatchObject([{ cause: 'Failure reports can’t be put into this mailbox.' }]);
  });

  test('reports are off: the folder is not asked for', async () => {
    const { ok, steps } = await diagnose({ ...support, failureReports: 'off' }, { hasIntake: true });
    expect(ok).toBe(true);
    expect(steps.map(({ step }) => step)).not.toContain('failureReports');
  });
});
