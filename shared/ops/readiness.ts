// Whether each mailbox can send and receive, from what the drains, the fetches and the sign-ins have stored. Nothing is
// connected to, so asking costs a few rows and no slot of any limit.
import { accountKey } from '../mail/accountKey.ts';
import { deliverText } from '../mail/deliver.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { present } from '../mail/omit.ts';
import type { Cursor } from '../inbound/ports.ts';
import { grantName, type GrantState } from '../oauth/grants.ts';
import type { Hold } from '../outbound/records/accountState.ts';

/** One direction of a mailbox: `ready`, or `notReady` with the reason; `unused` if the settings switch it off. */
export interface DirectionReadiness {
  readonly state: 'ready' | 'notReady' | 'unused';
  /** Empty if ready. */
  readonly detail: string;
  readonly remedy?: string;
  /** When it was last seen to work (ISO 8601, UTC); absent if never, or not recorded. */
  readonly lastSuccessAt?: string;
}

export interface MailboxReadiness {
  readonly address: string;
  readonly send: DirectionReadiness;
  readonly receive: DirectionReadiness;
  /** What safe mode does, in words; absent: mail goes to everybody. */
  readonly safeMode?: string;
}

export interface ReadinessDependencies {
  readonly mailboxes: readonly Mailbox[];
  /** The holds of an account. Throws StorageTrouble. */
  readonly holds: (account: string) => Promise<readonly Hold[]>;
  /** The cursor of each mailbox that receives, by address. Throws StorageTrouble. */
  readonly cursors: () => Promise<ReadonlyMap<string, Cursor | undefined>>;
  readonly grant: (name: string) => Promise<GrantState | undefined>;
}

const unused: DirectionReadiness = { state: 'unused', detail: '' };

/** Of every mailbox, in the order of the settings. Throws StorageTrouble. */
export async function readReadiness({
  mailboxes,
  holds,
  cursors,
  grant,
}: ReadinessDependencies): Promise<readonly MailboxReadiness[]> {
  const fetched = await cursors();
  const byAccount = new Map<string, readonly Hold[]>();
  const readiness: MailboxReadiness[] = [];
  for (const mailbox of mailboxes) {
    const key = accountKey(mailbox.smtpUser);
    const held = byAccount.get(key) ?? (await holds(key));
    byAccount.set(key, held);
    const consent = await consentTrouble(mailbox, grant);
    readiness.push({
      address: mailbox.address,
      send: mailbox.send ? (consent ?? sending(mailbox, held)) : unused,
      receive: mailbox.receive ? (consent ?? receiving(fetched.get(mailbox.address))) : unused,
      ...present({ safeMode: deliverText(mailbox.deliver ?? 'live') }),
    });
  }
  return readiness;
}

/** A delegated mailbox without a usable grant can do neither. */
async function consentTrouble(
  { address, signIn }: Mailbox,
  grant: ReadinessDependencies['grant'],
): Promise<DirectionReadiness | undefined> {
  if (signIn !== 'delegated') return undefined;
  const state = await grant(grantName(address));
  if (state !== undefined && state.refused === undefined) return undefined;
  return {
    state: 'notReady',
    detail: state?.refused?.detail ?? 'Nobody has connected this mailbox yet.',
    remedy: 'Connect it: open /api/oauth/connect as an administrator.',
  };
}

function sending({ address }: Mailbox, holds: readonly Hold[]): DirectionReadiness {
  const hold = holds.find((one) => one.mailbox === undefined || one.mailbox === address.toLowerCase());
  return hold === undefined
    ? { state: 'ready', detail: '' }
    : { state: 'notReady', detail: hold.detail, remedy: hold.remedy };
}

function receiving(cursor: Cursor | undefined): DirectionReadiness {
  if (cursor === undefined || cursor.lastSuccessAt === 0) {
    const detail = cursor?.detail ?? '';
    return { state: 'notReady', detail: detail === '' ? 'It has not been fetched yet.' : detail };
  }
  const lastSuccessAt = new Date(cursor.lastSuccessAt).toISOString();
  return cursor.failureCount === 0
    ? { state: 'ready', detail: '', lastSuccessAt }
    : { state: 'notReady', detail: cursor.detail, lastSuccessAt };
}
