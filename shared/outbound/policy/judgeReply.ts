// What a reply, or the lack of one, means.
//
//   a known reply                    as its row in replyTable.ts says
//   4xx unknown, any phase           transient
//   5xx unknown, before a message    the account's trouble: unreachable, or sign-in
//   5xx unknown to MAIL              the mailbox's trouble: MAIL names nothing but the sender
//   5xx unknown to RCPT              that recipient fails; x.5.x, x.7.x, 500 to 504, 521, 530 and 555: unexplained
//   5xx unknown to DATA or after     unexplained: the message's fault, the sender's or the server's (refusals.ts)
//   no reply, final dot not sent     transient: the server can't have accepted (RFC 5321 4.1.1.4)
//   no reply, final dot sent         in doubt (RFC 1047)
//   any other code                   as if there were none
//
// A reply of 4xx or 5xx to the final dot is an answer: the server must not deliver what it refused (RFC 5321
// 4.2.5), so it is never a doubt. Before MAIL there is no message yet: nothing that happens there blames one.
import { present } from '../../mail/omit.ts';
import type { Reply } from '../../mail/reply.ts';
import type { HoldJudgement, Judgement, RecipientJudgement, Verdict } from './judgement.ts';
import type { Phase, RelayFailure } from '../ports.ts';
import { replyTable, type ReplyRow } from './replyTable.ts';

const minuteMs = 60_000;
const beforeMessage: ReadonlySet<Phase> = new Set(['token', 'connect', 'tls', 'greeting', 'auth']);

/** Judges a dialog that ended before a message was accepted. `dotSent` is our own note, not the library's. */
export function judgeFailure(failure: RelayFailure, dotSent: boolean): Judgement {
  const { phase, reply, detail } = failure;
  if (failure.token !== undefined) return judgeToken(failure.token, detail);
  if (reply === undefined || reply.code < 400 || reply.code > 599) {
    return { do: dotSent ? 'inDoubt' : 'retry', detail, code: reply?.code ?? 0 };
  }
  const row = rowFor(reply, phase);
  const judgement: Judgement =
    row === undefined ? judgeUnknown(reply, phase) : { ...row.decision, detail: row.detail, ...said(reply) };
  return judgement.do === 'deadLetter' && beforeMessage.has(phase) ? judgeBefore(reply, phase) : judgement;
}

/** Judges the reply to one RCPT. A hold is about the sender, and says nothing of the recipient. */
export function judgeRecipient(reply: Reply): RecipientJudgement {
  if (reply.code >= 200 && reply.code < 300) return { do: 'accepted', detail: 'Accepted.', ...said(reply) };
  const judgement = judgeFailure(
    { phase: 'rcpt', reply, detail: 'The server gave no usable reply to RCPT.' },
    false,
  );
  // Both go together with the session; for the recipient they mean: again.
  if (judgement.do === 'reconnect' || judgement.do === 'inDoubt') return { ...judgement, do: 'retry' };
  return judgement;
}

/** The row that decides, or undefined where the reply is judged by class and phase. */
export function rowFor(reply: Reply, phase: Phase): ReplyRow | undefined {
  return replyTable.find(
    (row) =>
      (row.codes === undefined || row.codes.includes(reply.code)) &&
      (row.phases === undefined || row.phases.includes(phase)) &&
      (row.text === undefined || row.text.test(reply.text)) &&
      (row.enhanced === undefined || row.enhanced.some((pattern) => fits(reply.enhanced, pattern))),
  );
}

/** `5.7.139` fits itself; `4.7.500-699` is fitted by 4.7.500 to 4.7.699. */
function fits(enhanced: string | undefined, pattern: string): boolean {
  if (enhanced === undefined) return false;
  const [low = '', high] = pattern.split('-');
  if (high === undefined) return enhanced === low;
  const cut = low.lastIndexOf('.') + 1;
  const last = Number(enhanced.slice(cut));
  return enhanced.startsWith(low.slice(0, cut)) && last >= Number(low.slice(cut)) && last <= Number(high);
}

function judgeUnknown(reply: Reply, phase: Phase): Judgement {
  if (reply.code < 500) return { do: 'retry', detail: 'The server refused for now.', ...said(reply) };
  if (beforeMessage.has(phase)) return judgeBefore(reply, phase);
  if (phase === 'mail') {
    return {
      do: 'configuration',
      scope: 'mailbox',
      reason: 'configuration',
      firstProbeMs: 15 * minuteMs,
      detail: 'The server refuses this mailbox as a sender.',
      remedy: "Run the doctor for the mailbox; it names the step that fails and shows the server's words.",
      ...said(reply),
    };
  }
  if (phase !== 'rcpt')
    return { do: 'unexplained', detail: 'The server refuses the message.', ...said(reply) };
  const detail = 'The server refuses the recipient.';
  return { do: isAboutSession(reply) ? 'unexplained' : 'deadLetter', detail, ...said(reply) };
}

const sessionCodes: ReadonlySet<number> = new Set([421, 500, 501, 502, 503, 504, 521, 530, 555]);

/**
 * A refusal of RCPT that may be about the session, the server or the sender: the protocol (x.5.x of RFC 3463), security or
 * policy (x.7.x), or codes that name no mailbox (RFC 5321 4.2.2, RFC 7504, RFC 4954 6). Any other is the recipient's.
 */
export const isAboutSession = ({ code, enhanced }: Pick<Reply, 'code' | 'enhanced'>): boolean =>
  sessionCodes.has(code) || /^[45]\.[57]\./.test(enhanced ?? '');

function judgeBefore(reply: Reply, phase: Phase): HoldJudgement {
  if (phase === 'auth') {
    return {
      do: 'configuration',
      scope: 'account',
      reason: 'signIn',
      firstProbeMs: 5 * minuteMs,
      detail: 'The server refuses the sign-in.',
      remedy: 'Run the doctor for the mailbox; it names the step that fails and the likeliest causes.',
      ...said(reply),
    };
  }
  return {
    do: 'hold',
    scope: 'account',
    reason: 'unreachable',
    firstProbeMs: minuteMs,
    detail: 'The server does not serve this connection.',
    remedy: 'Check SMTP_SERVER (smtp.office365.com:587) and the Microsoft 365 service health.',
    ...said(reply),
  };
}

function judgeToken(trouble: NonNullable<RelayFailure['token']>, detail: string): HoldJudgement {
  const common = { scope: 'account', detail, code: 0 } as const;
  if (trouble === 'unavailable') {
    return {
      ...common,
      do: 'hold',
      reason: 'noToken',
      firstProbeMs: minuteMs,
      remedy:
        'Nothing need be done: it is tried again by itself. If it stays, check the network, KEY_VAULT_URL and the Microsoft 365 service health.',
    };
  }
  if (trouble === 'needsConsent') {
    return {
      ...common,
      do: 'configuration',
      reason: 'consent',
      firstProbeMs: 15 * minuteMs,
      remedy: "Connect the mailbox again on the administrator's page, signed in as the mailbox.",
    };
  }
  return {
    ...common,
    do: 'configuration',
    reason: 'signIn',
    firstProbeMs: 15 * minuteMs,
    remedy: 'Correct the setting or the app registration that is named; the doctor shows every step.',
  };
}

function said(reply: Reply): Pick<Verdict, 'code' | 'enhanced'> {
  return { code: reply.code, ...present({ enhanced: reply.enhanced }) };
}
