// One line a minute for each mailbox, each queue of a consumer and each credential, from what is stored: a row or two a
// mailbox, no connection to any server. What can't be read is said to be unknown, so that no alert ends for it.
import type { Clock } from '../clock.ts';
import type { Cursor } from '../inbound/ports.ts';
import { isDrained, type IntakeState } from '../intake/intakeStates.ts';
import { messageOf } from '../mail/foreign.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { present } from '../mail/omit.ts';
import { grantName, type GrantState } from '../oauth/grants.ts';
import { idleMs, type Expiration } from '../oauth/refreshTokens.ts';
import type { Log } from '../telemetry/log.ts';
import { opsEvents } from '../telemetry/opsEvents.ts';
import type { MailboxBoard, MailboxBoards } from './mailboxBoards.ts';
import type { Quiet } from './maintenance.ts';

const dayMs = 86_400_000;

export interface StateDependencies {
  readonly mailboxes: readonly Mailbox[];
  /** The cursor of each mailbox that receives, by address. Throws StorageTrouble. */
  readonly cursors: () => Promise<ReadonlyMap<string, Cursor | undefined>>;
  /** Throws StorageTrouble. */
  readonly grant: (name: string) => Promise<GrantState | undefined>;
  readonly expirations: () => readonly Expiration[];
  /** Throws StorageTrouble. */
  readonly queues: () => Promise<
    readonly {
      readonly queue: string;
      readonly messageCount: number;
      readonly oldestAt: number | undefined;
    }[]
  >;
  /** Throws StorageTrouble. */
  readonly intakes: () => Promise<readonly IntakeState[]>;
  /** For the first screen. */
  readonly boards: Pick<MailboxBoards, 'write'>;
  /** What is in maintenance. Throws StorageTrouble. */
  readonly maintenance: () => Promise<readonly Quiet[]>;
  /** When each daily job last ended well (UTC ms). Throws StorageTrouble. */
  readonly jobs: () => Promise<ReadonlyMap<string, number>>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Never throws for the store. What was read is stored for the first screen as well. */
export async function reportStates(dependencies: StateDependencies): Promise<void> {
  const { mailboxes, log } = dependencies;
  const cursors = await orFailed('cursors', dependencies.cursors, log);
  const boards: MailboxBoard[] = [];
  for (const mailbox of mailboxes) {
    const board = await reportMailbox(mailbox, cursors, dependencies);
    if (board !== undefined) boards.push(board);
  }
  reportCredentials(dependencies);
  await reportMaintenance(dependencies);
  const now = dependencies.clock.now();
  const queues = (await orFailed('queues', dependencies.queues, log)) ?? [];
  for (const { queue, messageCount, oldestAt = now } of queues)
    log(opsEvents.queueState({ queue, messageCount, oldestMs: Math.max(0, now - oldestAt) }));
  for (const intake of (await orFailed('intakes', dependencies.intakes, log)) ?? [])
    log(opsEvents.intakeState(intakeFields(intake, now)));
  const stored = queues.map(({ queue, messageCount, oldestAt }) => ({
    queue,
    messageCount,
    ...present({ oldestAt }),
  }));
  await orFailed('board', () => dependencies.boards.write({ mailboxes: boards, queues: stored }), log);
}

function intakeFields(state: IntakeState, now: number): Parameters<typeof opsEvents.intakeState>[0] {
  const { name, at, isTwin, said } = state;
  const silentMs = Math.max(0, now - at);
  return {
    intake: name,
    silentMs,
    isDrained: isDrained(state),
    waitingCount: said.spool.count,
    // What waited when it last reported has waited since.
    oldestMs: said.spool.count === 0 ? 0 : said.spool.oldestAgeSeconds * 1_000 + silentMs,
    rejectedCount: said.rejectedCount,
    damagedCount: said.spool.damagedCount,
    isTwin,
    certificateDaysLeft: said.certificateDaysLeft,
    waitingFor: said.waitingFor,
  };
}

async function reportMailbox(
  mailbox: Mailbox,
  cursors: ReadonlyMap<string, Cursor | undefined> | undefined,
  { grant, clock, log }: StateDependencies,
): Promise<MailboxBoard | undefined> {
  const { address, signIn, receive } = mailbox;
  const isDelegated = signIn === 'delegated';
  const read = isDelegated
    ? await orFailed('grant', async () => ({ state: await grant(grantName(address)) }), log)
    : { state: undefined };
  if (read === undefined || (receive && cursors === undefined)) {
    log(opsEvents.mailboxState({ mailbox: address, isKnown: false, needsConsent: false }));
    return undefined;
  }
  const cursor = cursors?.get(address);
  const { state } = read;
  const needsConsent = isDelegated && (state === undefined || state.refused !== undefined);
  const consentDetail = needsConsent
    ? (state?.refused?.detail ?? 'Nobody has connected this mailbox yet.')
    : undefined;
  const now = clock.now();
  log(
    opsEvents.mailboxState({
      mailbox: address,
      isKnown: true,
      needsConsent,
      ...(receive ? fetchState(cursor, now) : {}),
      endsInDays:
        state === undefined || needsConsent
          ? undefined
          : Math.floor((state.refreshedAt + idleMs - now) / dayMs),
      detail: consentDetail ?? cursor?.detail,
    }),
  );
  return {
    address,
    ...present({ needsConsent: consentDetail }),
    ...(state === undefined || needsConsent ? {} : { consentEndsAt: state.refreshedAt + idleMs }),
    ...(receive ? { receiving: receivingOf(cursor) } : {}),
  };
}

const receivingOf = (cursor: Cursor | undefined): NonNullable<MailboxBoard['receiving']> => ({
  lastSuccessAt: cursor?.lastSuccessAt ?? 0,
  firstRunAt: cursor?.firstRunAt ?? 0,
  failureCount: cursor?.failureCount ?? 0,
  detail: cursor?.detail ?? '',
  hasMore: cursor?.hasMore ?? false,
  sortedOut: [],
});

function fetchState(
  cursor: Cursor | undefined,
  now: number,
): { readonly unreadMs: number; readonly failureCount: number; readonly retryCount: number } {
  const { lastSuccessAt = 0, firstRunAt = 0, failureCount = 0, retryList = [] } = cursor ?? {};
  const since = lastSuccessAt > 0 ? lastSuccessAt : firstRunAt;
  return {
    unreadMs: since > 0 ? Math.max(0, now - since) : -1,
    failureCount,
    retryCount: retryList.length,
  };
}

async function reportMaintenance({ maintenance, jobs, clock, log }: StateDependencies): Promise<void> {
  for (const { kind, name, until } of (await orFailed('maintenance', maintenance, log)) ?? [])
    log(opsEvents.maintenance({ kind, name, endsInMs: until - clock.now() }));
  for (const [job, doneAt] of (await orFailed('jobs', jobs, log)) ?? [])
    log(opsEvents.jobState({ job, sinceMs: clock.now() - doneAt }));
}

function reportCredentials({ expirations, clock, log }: StateDependencies): void {
  for (const { kind, expiresAt, detail } of expirations()) {
    const endsInDays = Math.floor((expiresAt - clock.now()) / dayMs);
    log(opsEvents.credentialState({ kind, endsInDays, detail }));
  }
}

/** Undefined if the store gave no answer, which is logged. */
async function orFailed<T>(what: string, read: () => Promise<T>, log: Log): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    log(opsEvents.stateFailed({ what, detail: messageOf(error) }));
    return undefined;
  }
}
