// Fetching all mailboxes: one run each, a bounded number at once. Those with a backlog come first, then those fetched
// longest ago. A failing mailbox is retried with a delay that doubles, and never stops another.
// A mailbox with `receive: false` is not touched.
import { createHash } from 'node:crypto';
import { deadline, type TimeLeft } from '../deadline.ts';
import { accountKey } from '../mail/accountKey.ts';
import { sameAddress } from '../mail/address.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { inParallel } from './concurrency.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import { fetchMailbox, report, type RunReport } from './fetchMailbox.ts';
import type { Cursor } from './ports.ts';
import { createInboundOperator, type InboundOperator } from './operator.ts';
import { pruneMailbox, type PruneReport } from './prune.ts';

export interface Inbound {
  /** One run for every mailbox that receives, within the budget of an invocation. A mailbox's failure is in its report. */
  fetchAll(invocation: { readonly invocationId: string }): Promise<readonly RunReport[]>;
  /** Fetches one mailbox now, even before its retryAt; undefined if the address is not served or does not receive. */
  fetchOne(address: string, invocation: { readonly invocationId: string }): Promise<RunReport | undefined>;
  /** The mailbox was signed in: the next invocation fetches it without waiting for retryAt. Throws StorageTrouble. */
  signedIn(address: string): Promise<void>;
  /** Each mailbox that receives, with its cursor. Throws StorageTrouble. */
  states(): Promise<readonly InboundState[]>;
  /** Removes content and rows after their time, mailbox by mailbox. A mailbox whose run goes on is left to the next invocation. */
  prune(invocation: { readonly invocationId: string }): Promise<readonly PruneReport[]>;
  /** What an operator may do to mail that was fetched. */
  readonly operator: InboundOperator;
  /** Ends the parser's threads. */
  close(): Promise<void>;
}

export interface InboundState {
  readonly mailbox: Mailbox;
  /** Undefined for one never fetched. */
  readonly cursor: Cursor | undefined;
}

/** Assembles the module. No I/O. */
export function createInbound(mailboxes: readonly Mailbox[], dependencies: InboundDependencies): Inbound {
  const { ledger, parser, clock, numbers } = dependencies;
  const contexts = mailboxes.filter(({ receive }) => receive).map(contextOf);
  const states = (): Promise<readonly (InboundState & { readonly context: MailboxContext })[]> =>
    inParallel(contexts, numbers.mailboxesAtOnce, async (context) => ({
      context,
      mailbox: context.mailbox,
      cursor: await ledger.cursor(context.key),
    }));
  const contextAt = (address: string): MailboxContext | undefined =>
    contexts.find(({ mailbox }) => sameAddress(mailbox.address, address));
  return {
    async fetchAll({ invocationId }) {
      const time = deadline(clock, numbers.invocationBudgetMs);
      const now = clock.now();
      const all = await states();
      const delayed = all.filter(({ cursor }) => cursor !== undefined && cursor.retryAt > now);
      const due = all.filter((state) => !delayed.includes(state)).sort(byUrgency);
      const reports = await inParallel(due, numbers.mailboxesAtOnce, ({ context }) =>
        fetchWithin(context, { owner: invocationId, time }, dependencies),
      );
      return [...reports, ...delayed.map(({ context, cursor }) => delayedReport(context, cursor))];
    },
    async fetchOne(address, { invocationId }) {
      const context = contextAt(address);
      if (context === undefined) return undefined;
      const time = deadline(clock, numbers.mailboxBudgetMs);
      return fetchWithin(context, { owner: invocationId, time }, dependencies);
    },
    async signedIn(address) {
      const context = contextAt(address);
      if (context !== undefined) await clearRetryDelay(context, dependencies);
    },
    async states() {
      return (await states()).map(({ mailbox, cursor }) => ({ mailbox, cursor }));
    },
    async prune({ invocationId }) {
      const time = deadline(clock, numbers.invocationBudgetMs);
      const reports: PruneReport[] = [];
      for (const context of contexts)
        reports.push(await pruneMailbox(context, { owner: invocationId, time }, dependencies));
      return reports;
    },
    operator: createInboundOperator(contexts, dependencies),
    close: () => parser.close(),
  };
}

export function contextOf(mailbox: Mailbox): MailboxContext {
  const key = accountKey(mailbox.address);
  return { mailbox, key, hash: createHash('sha256').update(key).digest('hex').slice(0, 16) };
}

/** If a run holds the lease, the mailbox is being fetched already and there is no delay to clear. */
async function clearRetryDelay(
  context: MailboxContext,
  { ledger, clock, random, numbers }: InboundDependencies,
): Promise<void> {
  const now = clock.now();
  if (((await ledger.cursor(context.key))?.retryAt ?? 0) <= now) return;
  const claim = { owner: random.id(), now, leaseUntil: now + numbers.leaseMs };
  const answer = await ledger.acquireLease(context.key, claim);
  if (answer.kind === 'acquired' && answer.cursor !== undefined) {
    await ledger.releaseLease(answer.lease, {
      cursor: { ...answer.cursor, failureCount: 0, retryAt: 0 },
      pending: [],
      cleared: [],
    });
  }
}

/** A mailbox's share of the invocation. A mailbox that gets no time comes first in the next invocation. */
async function fetchWithin(
  context: MailboxContext,
  run: { readonly owner: string; readonly time: TimeLeft },
  dependencies: InboundDependencies,
): Promise<RunReport> {
  const { clock, numbers } = dependencies;
  const time = deadline(clock, Math.min(numbers.mailboxBudgetMs, run.time.remainingMs()));
  if (time.remainingMs() <= numbers.reserveMs) {
    return report(context, undefined, {
      outcome: 'delayed',
      detail: 'The time of this invocation was used up.',
      hasMore: true,
    });
  }
  try {
    return await fetchMailbox(context, { owner: run.owner, time }, dependencies);
  } catch (error) {
    // The ledger did not answer at the very start: nothing was begun.
    const detail = error instanceof Error ? error.message.slice(0, 300) : 'unknown';
    return report(context, undefined, { outcome: 'failed', detail });
  }
}

function byUrgency(one: InboundState, other: InboundState): number {
  const backlog = Number(other.cursor?.hasMore ?? false) - Number(one.cursor?.hasMore ?? false);
  return backlog !== 0 ? backlog : (one.cursor?.lastRunAt ?? 0) - (other.cursor?.lastRunAt ?? 0);
}

function delayedReport(context: MailboxContext, cursor: Cursor | undefined): RunReport {
  return report(context, cursor, { outcome: 'delayed', detail: cursor?.detail ?? '' });
}
