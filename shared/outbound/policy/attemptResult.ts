// The outcome of an attempt, judged from its SMTP dialog. Pure: replies are judged in judgeReply.ts by the table of
// replyTable.ts, the consequences for rows are in transitions.ts.
//
// Recipients are judged one by one: those accepted at RCPT share the message's state, those refused there have
// their own. A reply about the sender (a quota, a missing right) is never a recipient's or a message's fault.
import { present } from '../../mail/omit.ts';
import type { HoldJudgement, Judgement, RecipientJudgement, Verdict } from './judgement.ts';
import { isAboutSession, judgeFailure, judgeRecipient } from './judgeReply.ts';
import { remaining, type Message } from '../records/message.ts';
import type { Phase, SendResult } from '../ports.ts';
import type { RecipientOutcome } from '../../contract/statusEvent.ts';
import type { Reply } from '../../mail/reply.ts';

/** How the dialog ended, or that it did not. */
export type AttemptResult =
  | SendResult
  /** Claimed, but nothing of it was given to a connection. */
  | { readonly kind: 'notStarted' }
  /** No answer from the connection by the deadline: the dot may have been sent. */
  | { readonly kind: 'noAnswer'; readonly detail: string };

export interface AttemptOutcome {
  /** `requeue`: waits again, unblamed. `unexplained`: refused for good, and it is not known yet by whose fault. */
  readonly verdict: 'accepted' | 'retry' | 'requeue' | 'unexplained' | 'deadLetter' | 'inDoubt';
  readonly why: Verdict;
  /** All of the message's recipients, those of this attempt with their new outcome. */
  readonly recipients: readonly RecipientOutcome[];
  readonly reply?: Reply;
  readonly serverMessageId?: string;
  /** A refusal asked for at least this much minDelay. */
  readonly minDelayMs?: number;
  readonly hold?: HoldJudgement;
  /** The server has too many of our connections. */
  readonly reconnect: boolean;
  /**
   * The refusal is about session, server or sender, or may be: several alike are theirs (refusals.ts). `recipient` is its
   * address, of a refusal at RCPT.
   */
  readonly counted?: { readonly alike: string; readonly recipient?: string };
  /** A reply came, or no final dot was sent: the server can't accept this attempt later. */
  readonly certain: boolean;
}

const detailCharacters = 300;

/** `attempt` is the one that ended; `message` is as it was when claimed. */
export function judgeAttempt(message: Message, attempt: number, result: AttemptResult): AttemptOutcome {
  switch (result.kind) {
    case 'notStarted':
      return {
        verdict: 'requeue',
        why: { code: 0, detail: 'The attempt was given up before anything was sent.' },
        recipients: message.recipients,
        reconnect: false,
        certain: true,
      };
    case 'noAnswer':
      return inDoubt(message, attempt, new Map(), { code: 0, detail: result.detail });
    case 'accepted':
      return accepted(message, attempt, result);
    case 'failed':
      return failed(message, attempt, result);
  }
}

type Judged = ReadonlyMap<string, RecipientJudgement>;

/**
 * Those that the server refused, under the number of this attempt: what was said of them is their outcome, whatever
 * becomes of the message. The others share its state and are left as they were.
 */
export const refusedAtRcpt = (
  message: Message,
  attempt: number,
  recipients: SendResult['recipients'],
): readonly RecipientOutcome[] =>
  settleRecipients(message, attempt, judgeRecipients(recipients), 'pending', { code: 0, detail: '' });

/** The server accepts the sender and the message: a recipient that it refuses for good is at fault itself. */
const inAcceptedMessage = (judged: Judged): Judged =>
  new Map(
    [...judged].map(([address, one]) => [
      address,
      one.do === 'unexplained' ? { ...one, do: 'deadLetter' } : one,
    ]),
  );

function judgeRecipients(recipients: SendResult['recipients']): Judged {
  return new Map(recipients.map(({ address, reply }) => [address, quote(judgeRecipient(reply), reply)]));
}

/** What it means in our words, and what the server said in its own. */
function quote<Judged extends Verdict>(judgement: Judged, reply: Reply | undefined): Judged {
  if (reply === undefined || judgement.detail.includes(reply.text)) return judgement;
  const detail = judgement.detail.slice(0, detailCharacters);
  return { ...judgement, detail: `${detail} The server said: ${reply.text.slice(0, detailCharacters)}` };
}

function accepted(
  message: Message,
  attempt: number,
  result: SendResult & { readonly kind: 'accepted' },
): AttemptOutcome {
  const judged = inAcceptedMessage(judgeRecipients(result.recipients));
  const why = { code: result.reply.code, detail: result.reply.text };
  return {
    verdict: 'accepted',
    why,
    // A recipient without a reply of its own was in the envelope that was accepted.
    recipients: settleRecipients(message, attempt, judged, 'sent', why),
    reply: result.reply,
    ...present({ serverMessageId: result.serverMessageId }),
    ...minDelay(judged),
    ...firstHold(judged),
    reconnect: false,
    certain: true,
  };
}

function failed(
  message: Message,
  attempt: number,
  result: SendResult & { readonly kind: 'failed' },
): AttemptOutcome {
  const { failure, dotSent } = result;
  const judged = judgeRecipients(result.recipients);
  const judgement = isRefusedByRecipients(message, judged)
    ? undefined
    : quote(judgeFailure(failure, dotSent), failure.reply);
  const common = {
    ...present({ reply: failure.reply }),
    ...minDelay(judged, judgement),
    ...firstHold(judged, judgement),
    reconnect: judgement?.do === 'reconnect',
    ...present({ counted: judgement === undefined ? undefined : countOf(judgement, failure.phase) }),
    certain: true,
  };
  switch (judgement?.do) {
    case undefined:
      return allRefused(message, attempt, judged, common);
    case 'inDoubt':
      return inDoubt(message, attempt, judged, judgement);
    case 'retry':
    case 'reconnect':
    case 'unexplained':
    case 'deadLetter': {
      const [verdict, state] = ends[judgement.do];
      const recipients = settleRecipients(message, attempt, judged, state, judgement);
      return { ...common, verdict, why: judgement, recipients };
    }
    case 'hold':
    case 'configuration':
      return { ...common, verdict: 'requeue', why: judgement, recipients: message.recipients };
  }
}

/** What a refusal of the message makes of it, and of the recipients without a reply of their own. */
const ends = {
  retry: ['retry', 'deferred'],
  reconnect: ['retry', 'deferred'],
  unexplained: ['unexplained', 'deferred'],
  deadLetter: ['deadLetter', 'failed'],
} as const;

/** How the refusal of a message counts; undefined if it is no evidence against anybody but the message. */
function countOf(judgement: Judgement, phase: Phase): AttemptOutcome['counted'] {
  if (judgement.do !== 'retry' && judgement.do !== 'unexplained') return undefined;
  if (judgement.do === 'retry' && judgement.about === 'recipient') return undefined;
  if (phase === 'rcpt' && judgement.code !== 0 && !isAboutSession(judgement)) return undefined;
  return { alike: alikeName(judgement) };
}

/** Permanent replies are alike by code and status; for now a server in trouble gives now this one, now that. */
const alikeName = ({ code, enhanced }: Verdict): string =>
  code < 500 ? 'transient' : `${code} ${enhanced ?? ''}`.trim();

/** The same of a message all of whose recipients were refused. */
function countOfRecipients(judged: Judged): AttemptOutcome['counted'] {
  for (const [recipient, one] of judged) {
    const counted = one.do === 'accepted' ? undefined : countOf(one, 'rcpt');
    if (counted !== undefined) return { ...counted, recipient };
  }
  return undefined;
}

/** Every RCPT had a reply and none was accepted: each has its own outcome, the message none of its own. */
function allRefused(
  message: Message,
  attempt: number,
  judged: Judged,
  common: Pick<AttemptOutcome, 'reply' | 'minDelayMs' | 'hold' | 'reconnect' | 'certain'>,
): AttemptOutcome {
  const recipients = settleRecipients(message, attempt, judged, 'pending', { code: 0, detail: '' });
  const judgements = [...judged.values()];
  const first = (wanted: RecipientJudgement['do']): RecipientJudgement | undefined =>
    judgements.find(({ do: act }) => act === wanted);
  const why = first('retry') ?? first('unexplained') ?? judgements[0] ?? { code: 0, detail: 'refused' };
  const verdict =
    first('retry') !== undefined
      ? 'retry'
      : common.hold !== undefined
        ? 'requeue'
        : first('unexplained') !== undefined
          ? 'unexplained'
          : 'deadLetter';
  return { ...common, verdict, why, recipients, ...present({ counted: countOfRecipients(judged) }) };
}

function isRefusedByRecipients(message: Message, judged: Judged): boolean {
  const tried = remaining(message);
  return tried.length > 0 && tried.every((address) => (judged.get(address)?.do ?? 'accepted') !== 'accepted');
}

function inDoubt(message: Message, attempt: number, judged: Judged, why: Verdict): AttemptOutcome {
  return {
    verdict: 'inDoubt',
    why,
    recipients: settleRecipients(message, attempt, judged, 'inDoubt', why),
    reconnect: false,
    certain: false,
  };
}

/** Those of this attempt: refused at RCPT as that reply says, the others `state`. */
function settleRecipients(
  message: Message,
  attempt: number,
  judged: Judged,
  state: RecipientOutcome['state'],
  why: Verdict,
): readonly RecipientOutcome[] {
  return message.recipients.map((recipient) => {
    if (recipient.state !== 'pending' && recipient.state !== 'deferred') return recipient;
    const own = judged.get(recipient.address);
    switch (own?.do) {
      case 'retry':
      case 'unexplained':
        return outcome(recipient, 'deferred', attempt, own);
      case 'deadLetter':
        return outcome(recipient, 'failed', attempt, own);
      case 'hold':
      case 'configuration':
        return outcome(recipient, recipient.state, attempt, own);
      case 'accepted':
      case undefined:
        // Of a dialog that nobody saw end, the refusals were noted.
        if (state === 'inDoubt' && recipient.attempt === attempt) return recipient;
        return state === 'pending' ? recipient : outcome(recipient, state, attempt, why);
    }
  });
}

function outcome(
  { address, maybeSent }: RecipientOutcome,
  state: RecipientOutcome['state'],
  attempt: number,
  why: Verdict,
): RecipientOutcome {
  return {
    address,
    state,
    attempt,
    ...(why.code === 0 ? {} : { code: why.code }),
    ...present({ enhanced: why.enhanced }),
    detail: why.detail.slice(0, 2 * detailCharacters),
    ...(state === 'sent' ? {} : present({ maybeSent })),
  };
}

function minDelay(judged: Judged, judgement?: Judgement): { readonly minDelayMs?: number } {
  const asked = [...judged.values(), judgement].flatMap((one) =>
    one?.do === 'retry' && one.minDelayMs !== undefined ? [one.minDelayMs] : [],
  );
  return asked.length === 0 ? {} : { minDelayMs: Math.max(...asked) };
}

function firstHold(judged: Judged, judgement?: Judgement): { readonly hold?: HoldJudgement } {
  for (const one of [judgement, ...judged.values()]) {
    if (one?.do === 'hold' || one?.do === 'configuration') return { hold: one };
  }
  return {};
}
