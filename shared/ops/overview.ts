// The first screen as data: one row a mailbox since a full hour, the lists for a person, what ends soon and who used most of
// the quota. Made of what the sweep stored: two queries, whatever the number of mailboxes and messages. Pure.
import { accountKey } from '../mail/accountKey.ts';
import { sameAddress } from '../mail/address.ts';
import { hourMs, hourOf, sumCounts } from '../mail/hourCounts.ts';
import { deliverText } from '../mail/deliver.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { present } from '../mail/omit.ts';
import type { Expiration } from '../oauth/refreshTokens.ts';
import type { AccountSummary } from '../outbound/operator/summaries.ts';
import { partsOf } from '../outbound/policy/hourlyCounts.ts';
import type { AttentionEntry } from '../outbound/store/attention.ts';
import type { Boards, MailboxBoard, QueueBoard, SortedOut } from './mailboxBoards.ts';

/** One word: green, amber or red. */
export type StateWord = 'works' | 'late' | 'paused' | 'stopped' | 'unknown';

export interface MailboxState {
  readonly word: StateWord;
  /** In a sentence. */
  readonly detail: string;
  /** What to do about it; absent if nothing is to be done. */
  readonly remedy?: string;
  /** The act of the page that is the remedy. */
  readonly act?: 'connect' | 'resume' | 'doctor' | 'sweep';
}

export interface Sending {
  readonly sent: number;
  readonly failed: number;
  readonly bounced: number;
  /** Of the account: several mailboxes may share it. */
  readonly waiting: number;
  readonly hasMore: boolean;
  readonly oldestDueAt?: number;
  readonly lastSentAt?: number;
  readonly clearsAt?: number;
  readonly minute: Share;
  readonly day: Share;
}

export interface Receiving {
  /** False: nobody counts what is received, and the counts are 0. */
  readonly isCounted: boolean;
  readonly received: number;
  /** Announced as a person's message. */
  readonly delivered: number;
  /** By kind. */
  readonly sortedOut: Readonly<Record<string, number>>;
  readonly lastFetchAt?: number;
  readonly hasMore: boolean;
}

export interface Share {
  readonly used: number;
  readonly most: number;
}

export interface MailboxRow {
  readonly address: string;
  readonly account: string;
  readonly state: MailboxState;
  /** Whom it may write to, in a sentence; absent if everybody. */
  readonly safeMode?: string;
  readonly sending?: Sending;
  readonly receiving?: Receiving;
}

export interface Ending {
  readonly what: string;
  readonly endsAt: number;
  readonly detail: string;
}

export interface Overview {
  /** When the sweep stored what is shown (UTC ms); 0: never. */
  readonly storedAt: number;
  readonly sinceAt: number;
  readonly mailboxes: readonly MailboxRow[];
  readonly toDecide: readonly (AttentionEntry & { readonly account: string })[];
  readonly bounced: readonly (AttentionEntry & { readonly account: string })[];
  readonly sortedOut: readonly (SortedOut & { readonly mailbox: string })[];
  readonly ending: readonly Ending[];
  readonly queues: readonly QueueBoard[];
  /** Recipients in the last 24 hours by mailbox and caller, most first. */
  readonly users: readonly {
    readonly mailbox: string;
    readonly caller: string;
    readonly recipients: number;
  }[];
}

/** Of one hour. */
export interface HourFigures {
  /** Hours since 1970, UTC. */
  readonly hour: number;
  readonly received: number;
  readonly sent: number;
}

export interface MailboxDetail {
  readonly mailbox: Mailbox;
  readonly row: MailboxRow;
  readonly holds: AccountSummary['board']['holds'];
  readonly hours: readonly HourFigures[];
}

export interface OverviewInput {
  readonly mailboxes: readonly Mailbox[];
  readonly summaries: readonly AccountSummary[];
  readonly boards: Boards;
  readonly expirations: readonly Expiration[];
  readonly sinceAt: number;
  readonly now: number;
}

const minuteMs = 60_000;
const dayMs = 24 * hourMs;
/** The sweep runs each minute, and renews what did not change every five. */
const staleMs = 12 * minuteMs;
const lateMs = 15 * minuteMs;
const endingMs = 30 * dayMs;
const listedMost = 30;
const usersMost = 5;

export function makeOverview(input: OverviewInput): Overview {
  const { mailboxes, summaries, boards, expirations, sinceAt, now } = input;
  const storedAt = Math.max(boards.at, ...summaries.map(({ at }) => at));
  const attention = summaries.flatMap(({ account, board }) =>
    board.attention.map((entry) => ({ ...entry, account })),
  );
  const byTime = <Entry extends { readonly at: number }>(entries: readonly Entry[]): readonly Entry[] =>
    entries.toSorted((one, other) => other.at - one.at).slice(0, listedMost);
  return {
    storedAt,
    sinceAt,
    mailboxes: mailboxes.map((mailbox) => rowOf(mailbox, input)),
    toDecide: byTime(attention.filter(({ list }) => list !== 'bounced')),
    bounced: byTime(attention.filter(({ list }) => list === 'bounced')),
    sortedOut: byTime(
      boards.mailboxes.flatMap(({ address, receiving }) =>
        (receiving?.sortedOut ?? []).map((entry) => ({ ...entry, mailbox: address })),
      ),
    ),
    ending: endingOf(boards.mailboxes, expirations, now),
    queues: boards.queues,
    users: usersOf(summaries, now),
  };
}

function rowOf(mailbox: Mailbox, { summaries, boards, sinceAt, now }: OverviewInput): MailboxRow {
  const { address, send, receive } = mailbox;
  const account = accountKey(mailbox.smtpUser);
  const summary = summaries.find((one) => one.account === account);
  const board = boards.mailboxes.find((one) => sameAddress(one.address, address));
  return {
    address,
    account,
    ...present({ safeMode: deliverText(mailbox.deliver ?? 'live') }),
    state: stateOf(mailbox, { summary, board, boardAt: boards.at, now }),
    ...(send ? { sending: sendingOf(address, summary, sinceAt) } : {}),
    ...(receive && board?.receiving !== undefined
      ? { receiving: receivingOf(board.receiving, sinceAt) }
      : {}),
  };
}

/** The same of one mailbox, with its holds and its hours. */
export function makeMailboxDetail(mailbox: Mailbox, input: OverviewInput): MailboxDetail {
  const row = rowOf(mailbox, input);
  const own = mailbox.address.toLowerCase();
  const summary = input.summaries.find(({ account }) => account === row.account);
  const board = input.boards.mailboxes.find((one) => sameAddress(one.address, mailbox.address));
  const figures = new Map<number, { received: number; sent: number }>();
  const add = (hour: number, name: 'received' | 'sent', count: number): void => {
    const one = figures.get(hour) ?? { received: 0, sent: 0 };
    one[name] += count;
    figures.set(hour, one);
  };
  for (const { hour, of, counts } of summary?.board.hours ?? []) {
    if (partsOf(of).mailbox === own) add(hour, 'sent', counts['sent'] ?? 0);
  }
  for (const { hour, counts } of board?.receiving?.hours ?? [])
    add(hour, 'received', counts['received'] ?? 0);
  return {
    mailbox,
    row,
    holds: (summary?.board.holds ?? []).filter((hold) => hold.mailbox === undefined || hold.mailbox === own),
    hours: [...figures].map(([hour, one]) => ({ hour, ...one })).sort((one, other) => one.hour - other.hour),
  };
}

function stateOf(
  { address, send, receive }: Mailbox,
  {
    summary,
    board,
    boardAt,
    now,
  }: {
    readonly summary: AccountSummary | undefined;
    readonly board: MailboxBoard | undefined;
    readonly boardAt: number;
    readonly now: number;
  },
): MailboxState {
  if (board === undefined || now - boardAt > staleMs)
    return {
      word: 'unknown',
      detail:
        board === undefined
          ? 'The sweep has not looked at it yet.'
          : 'The sweep has stored nothing for more than ten minutes.',
      remedy: 'Run the sweep now; if that fails, look at the invocations of sweepOutbound.',
      act: 'sweep',
    };
  if (board.needsConsent !== undefined)
    return {
      word: 'stopped',
      detail: board.needsConsent,
      remedy: `Connect ${address}, signed in as the mailbox.`,
      act: 'connect',
    };
  const hold = send
    ? summary?.board.holds.find((one) => one.mailbox === undefined || one.mailbox === address.toLowerCase())
    : undefined;
  if (hold !== undefined)
    return hold.reason === 'paused'
      ? { word: 'paused', detail: hold.detail, remedy: hold.remedy, act: 'resume' }
      : { word: 'stopped', detail: hold.detail, remedy: hold.remedy, act: 'doctor' };
  const { receiving } = board;
  if (receive && receiving !== undefined) {
    const since = receiving.lastSuccessAt > 0 ? receiving.lastSuccessAt : receiving.firstRunAt;
    const detail = receiving.detail === '' ? 'It has not been fetched.' : receiving.detail;
    if (receiving.failureCount > 0 || since === 0)
      return {
        word: since > 0 && now - since < lateMs ? 'late' : 'stopped',
        detail: `Received mail is not fetched: ${detail}`,
        remedy: `Run the doctor for ${address}; it names the step that fails.`,
        act: 'doctor',
      };
  }
  const { blockedUntil, oldestDueAt } = summary?.board ?? {};
  if (blockedUntil !== undefined && blockedUntil > now)
    return {
      word: 'late',
      detail: 'Hosts that died left connections open, and the server allows no more.',
      remedy: 'Nothing need be done: sending goes on when the server has dropped them.',
    };
  if (oldestDueAt !== undefined && now - oldestDueAt > lateMs)
    return {
      word: 'late',
      detail: 'A message that is due has waited for more than 15 minutes.',
      remedy: 'Look at the messages that wait; the forecast says when they will have been sent.',
    };
  return { word: 'works', detail: '' };
}

function sendingOf(address: string, summary: AccountSummary | undefined, sinceAt: number): Sending {
  const own = address.toLowerCase();
  const sums = { sent: 0, failed: 0, bounced: 0 };
  for (const [of, counts] of sumCounts(summary?.board.hours ?? [], hourOf(sinceAt))) {
    if (partsOf(of).mailbox !== own) continue;
    for (const name of ['sent', 'failed', 'bounced'] as const) sums[name] += counts[name] ?? 0;
  }
  const { waiting } = summary?.backlog ?? {};
  const { oldestDueAt, clearsAt, lastSent = [] } = summary?.board ?? {};
  const lastSentAt = lastSent.find(({ mailbox }) => mailbox === own)?.at;
  return {
    ...sums,
    waiting: waiting?.count ?? 0,
    hasMore: waiting?.more ?? false,
    ...present({ oldestDueAt, clearsAt, lastSentAt }),
    minute: { used: summary?.slotsInUse ?? 0, most: summary?.messagesPerMinute ?? 0 },
    day: { used: summary?.recipientsToday ?? 0, most: summary?.recipientsPerDay ?? 0 },
  };
}

/** Counts of kinds are named `kind:autoReply`. */
const kindPrefix = 'kind:';

function receivingOf(
  { hours, lastSuccessAt, hasMore }: NonNullable<MailboxBoard['receiving']>,
  sinceAt: number,
): Receiving {
  const sortedOut: Record<string, number> = {};
  const sums = { received: 0, delivered: 0 };
  for (const counts of sumCounts(hours ?? [], hourOf(sinceAt)).values()) {
    sums.received += counts['received'] ?? 0;
    sums.delivered += counts['delivered'] ?? 0;
    for (const [name, count] of Object.entries(counts)) {
      if (!name.startsWith(kindPrefix)) continue;
      const kind = name.slice(kindPrefix.length);
      sortedOut[kind] = (sortedOut[kind] ?? 0) + count;
    }
  }
  const isCounted = hours !== undefined;
  return {
    isCounted,
    ...sums,
    sortedOut,
    hasMore,
    ...(lastSuccessAt > 0 ? { lastFetchAt: lastSuccessAt } : {}),
  };
}

const credentialNames: Readonly<Record<Expiration['kind'], string>> = {
  grant: 'Sign-in',
  certificate: 'Certificate of the app registration',
  secret: 'Client secret of the app registration',
};

function endingOf(
  boards: readonly MailboxBoard[],
  expirations: readonly Expiration[],
  now: number,
): readonly Ending[] {
  const grants = boards.flatMap(({ address, consentEndsAt }) =>
    consentEndsAt === undefined
      ? []
      : [
          {
            what: `Sign-in of ${address}`,
            endsAt: consentEndsAt,
            detail: 'It is renewed by its daily refresh; if that fails, connect the mailbox again.',
          },
        ],
  );
  const credentials = expirations
    .filter(({ kind }) => kind !== 'grant')
    .map(({ kind, expiresAt, detail }) => ({ what: credentialNames[kind], endsAt: expiresAt, detail }));
  return [...grants, ...credentials]
    .filter(({ endsAt }) => endsAt - now < endingMs)
    .sort((one, other) => one.endsAt - other.endsAt);
}

function usersOf(summaries: readonly AccountSummary[], now: number): Overview['users'] {
  const sums = new Map<string, number>();
  for (const { board } of summaries) {
    for (const [of, { recipients = 0 }] of sumCounts(board.hours, hourOf(now) - 23)) {
      if (recipients > 0) sums.set(of, (sums.get(of) ?? 0) + recipients);
    }
  }
  return [...sums]
    .map(([of, recipients]) => ({ ...partsOf(of), recipients }))
    .sort((one, other) => other.recipients - one.recipients)
    .slice(0, usersMost);
}

/** The end of the last working day, 16:00 UTC: since then nobody has looked. Before 16:00 that is the day before. */
export function lastWorkingDayEnd(now: number): number {
  const today = Math.floor(now / dayMs) * dayMs + 16 * hourMs;
  const latest = today > now ? today - dayMs : today;
  const weekday = new Date(latest).getUTCDay();
  return latest - (weekday === 0 ? 2 : weekday === 6 ? 1 : 0) * dayMs;
}
