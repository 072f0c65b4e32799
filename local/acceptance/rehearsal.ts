// The stack for a rehearsal: everything on this machine, with the emulators in this process, and a test mailbox as a
// tenant would have it: an alias, a second mailbox that is sent through it, somebody who is away.
import tls from 'node:tls';
import type { Clock } from '../../shared/clock.ts';
import { makeCertificates } from '../stack/certificates.ts';
import { quickHideMs, quickNumbers, quickSettings } from '../stack/shortIntervals.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import type { RunOptions } from './acceptance.ts';
import { storeAccess } from './bridgeAccess.ts';
import { realNumbers, type AcceptanceNumbers } from './check.ts';
import { loopbackRedirect, signInAs } from './signIn.ts';

export const testMailbox = 'acceptance@kunta.example';
const alias = 'acceptance.alias@kunta.example';
export const secondMailbox = 'registry@kunta.example';
export const absent = 'away@kunta.example';
export const gone = 'nobody@kunta.example';
const processed = 'Processed';
const testClientId = '3d7c1a52-90b7-4a0e-8f43-5c2d9e6b1f08';
const scopes = [
  'https://outlook.office365.com/IMAP.AccessAsUser.All',
  'https://outlook.office365.com/SMTP.Send',
] as const;

export interface Rehearsal {
  readonly stack: Stack;
  readonly app: string;
  /** For a run against it. */
  readonly options: Omit<RunOptions, 'run'>;
  close(): Promise<void>;
}

/** Short intervals; the sizes are those of a tenant unless given otherwise. */
export async function startRehearsal({
  appFolder,
  clock,
  periodMs = 10_000,
  numbers = {},
}: {
  /** The package, as it is deployed. */
  readonly appFolder: string;
  readonly clock: Clock;
  readonly periodMs?: number;
  readonly numbers?: Partial<AcceptanceNumbers>;
}): Promise<Rehearsal> {
  const certificates = await makeCertificates();
  // The emulators' servers are asked from this process too.
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), certificates.ca]);
  const stack = await startStack({
    clock,
    certificates,
    mailboxes: [
      {
        address: testMailbox,
        signIn: 'delegated',
        aliases: [alias],
        afterFetch: `move:${processed}`,
        // The checks write to it at once, which may be before the first fetch.
        fetchFrom: 'all',
      },
      { address: secondMailbox, signIn: 'delegated', smtpUser: testMailbox, receive: false },
    ],
    accounts: [
      { address: alias, sendAs: [testMailbox] },
      { address: secondMailbox, sendAs: [testMailbox] },
    ],
    numbers: quickNumbers(periodMs),
    settings: quickSettings,
    hideMs: quickHideMs,
    exchange: { periodMs },
  });
  try {
    stack.exchange.recipient(gone, { kind: 'bounce', status: '5.1.10', afterMs: 500 });
    stack.exchange.recipient(absent, { kind: 'outOfOffice', afterMs: 500 });
    stack.entra.setApp({ clientId: testClientId, redirectUris: [loopbackRedirect], publicClient: true });
    const host = await stack.startHost({ appFolder });
    return {
      stack,
      app: host.url,
      options: {
        app: host.url,
        clock,
        mailbox: {
          address: testMailbox,
          smtpUser: testMailbox,
          receive: true,
          folder: 'INBOX',
          afterFetch: `move:${processed}`,
        },
        alias,
        sendAs: secondMailbox,
        absent,
        gone,
        numbers: {
          ...realNumbers,
          periodMs,
          waitMs: 60_000,
          returnMs: 60_000,
          pollMs: 500,
          delayedMs: 1_000,
          ...numbers,
        },
        servers: {
          smtp: { host: 'localhost', port: stack.exchange.smtpPort },
          imap: { host: 'localhost', port: stack.exchange.imapPort },
          token: once(() => tokenOf(stack, testMailbox)),
        },
        bridge: storeAccess(host.url, stack.store),
      },
      close: async () => {
        await host.stop();
        await stack.close();
      },
    };
  } catch (error) {
    await stack.close();
    throw error;
  }
}

/** Signs in as a person would, with a browser that follows the form. */
async function tokenOf({ entra }: Stack, mailbox: string): Promise<string> {
  return signInAs({
    authorizeEndpoint: entra.authorizeEndpoint,
    tokenEndpoint: entra.tokenEndpoint,
    issuer: entra.issuer,
    clientId: testClientId,
    scopes,
    mailbox,
    show: (address) => {
      void fetch(address, {
        method: 'POST',
        body: new URLSearchParams({ account: mailbox, decision: 'accept' }),
      });
    },
  });
}

/** One sign-in for all who ask. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
