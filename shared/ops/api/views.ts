// What is shown of messages and accounts: instants as ISO 8601, UTC; no content.
import type { IntakeState } from '../../intake/intakeStates.ts';
import { present } from '../../mail/omit.ts';
import type { FoundMessage } from '../../outbound/operator/find.ts';
import type { AccountSummary } from '../../outbound/operator/summaries.ts';
import type { Message } from '../../outbound/records/message.ts';
import type { z } from 'zod';
import type { MailboxReadiness } from '../readiness.ts';
import type { listedAnswer, messageAnswer, statusAnswer } from './routes.ts';

const iso = (at: number): string => new Date(at).toISOString();

export const listedView = (found: FoundMessage): z.infer<typeof listedAnswer> => ({
  ...common(found),
  account: found.account,
  state: found.state,
  recipients: found.recipients.map(({ address }) => address),
});

export const messageView = ({
  account,
  message,
  sending,
}: {
  readonly account: string;
  readonly message: Message;
  readonly sending: boolean;
}): z.infer<typeof messageAnswer> => ({
  ...common(message),
  account,
  state: sending ? 'sending' : message.state,
  messageId: message.messageId,
  ...present({ serverMessageId: message.serverMessageId }),
  recipients: message.recipients.map(({ address, state, attempt, code, enhanced, detail }) => ({
    address,
    outcome: state,
    ...present({ attempt, code, enhancedStatus: enhanced, detail }),
  })),
  history: message.history.map(({ at, type, detail }) => ({ at: iso(at), type, ...present({ detail }) })),
  bounceCount: message.bounces.length,
});

function common({
  id,
  mailbox,
  acceptedAt,
  changedAt,
  attempt,
  reason,
  detail,
  remedy,
  correlation,
}: Pick<
  Message,
  'id' | 'mailbox' | 'acceptedAt' | 'changedAt' | 'attempt' | 'reason' | 'detail' | 'remedy' | 'correlation'
>): Pick<
  z.infer<typeof messageAnswer>,
  'id' | 'mailbox' | 'acceptedAt' | 'since' | 'attempts' | 'reason' | 'detail' | 'remedy' | 'correlation'
> {
  return {
    id,
    mailbox,
    acceptedAt: iso(acceptedAt),
    since: iso(changedAt),
    attempts: attempt,
    ...present({ reason, detail, remedy, correlation }),
  };
}

export const statusView = (
  mailboxes: readonly MailboxReadiness[],
  summaries: readonly AccountSummary[],
  intakes: readonly IntakeState[],
): z.input<typeof statusAnswer> => ({
  intakes: intakes.map(({ name, caller, at, said }) => ({
    name,
    caller,
    reportedAt: iso(at),
    version: said.version,
    waiting: said.spool.count,
    oldestSeconds: said.spool.oldestAgeSeconds,
    refused: said.rejectedCount,
    accepting: said.accepting,
    ...present({ certificateDaysLeft: said.certificateDaysLeft, waitingFor: said.waitingFor }),
  })),
  mailboxes: mailboxes.map((one) => ({ ...one, send: { ...one.send }, receive: { ...one.receive } })),
  accounts: summaries.map(({ account, backlog }) => ({
    account,
    ...(backlog === undefined
      ? {}
      : {
          countedAt: iso(backlog.at),
          waiting: backlog.waiting.count,
          inDoubt: backlog.inDoubt.count,
          toDecide: backlog.unresolved.count,
          deadLetters: backlog.failed.count,
          unreadable: backlog.unreadable.count,
          hasMore: backlog.waiting.more,
        }),
  })),
});
