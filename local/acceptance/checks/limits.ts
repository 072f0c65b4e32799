// What happens at the limits: through the bridge, which keeps them, and past it, to see what the server does.
import { exchangeWait } from '../../../shared/mail/exchangeWait.ts';
import { failed, markOf, passed, withBox, type Check, type CheckContext } from '../check.ts';
import { judgeFailure, rowFor } from '../../../shared/outbound/policy/judgeReply.ts';
import type { Phase } from '../../../shared/outbound/ports.ts';
import { plainMail } from '../samples.ts';
import { SmtpDialog, type DialogStep, type StepTaken } from '../smtpDialog.ts';
import { followSubmission, submissionOf } from './sending.ts';

/** A step of the dialog as the bridge's own table of replies names it. */
const phaseOf: Readonly<Record<DialogStep, Phase>> = {
  greeting: 'greeting',
  ehlo: 'greeting',
  starttls: 'tls',
  auth: 'auth',
  mail: 'mail',
  rcpt: 'rcpt',
  data: 'data',
  dot: 'dot',
};
/** A delayed reply may take more than a period. */
const stepMs = 3 * 60_000;
const connectionsAllowed = 3;

export const limitChecks: readonly Check[] = [
  {
    id: 'burst',
    title: 'A burst above 30 a minute is sent without a refusal',
    run: withBox(async (context) => {
      const { burstCount, periodMs } = context.numbers;
      const submissions = Array.from({ length: burstCount }, (_, at) =>
        submissionOf(context, `burst-${String(at)}`, { headers: { 'Auto-Submitted': 'auto-generated' } }),
      );
      for (const submission of submissions) await context.bridge.submit(submission);
      const sent = await Promise.all(submissions.map((submission) => followSubmission(context, submission)));
      const not = sent.flatMap((one) => (one.kind === 'not' ? [one.result] : []));
      if (not.length > 0)
        return failed(
          `${String(not.length)} of ${String(burstCount)} were not sent: ${not[0]?.detail ?? ''}`,
          not[0]?.remedy,
        );
      const times = sent
        .flatMap((one) => (one.kind === 'sent' ? [one.state.changedAt] : []))
        .sort((a, b) => a - b);
      const most = Math.max(
        ...times.map((from) => times.filter((at) => at >= from && at < from + periodMs).length),
      );
      const tookMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
      return passed(
        `${String(burstCount)} sent in ${(tookMs / 1_000).toFixed(0)} s, at most ${String(most)} in any ${(periodMs / 1_000).toFixed(0)} s.`,
      );
    }),
  },
  {
    id: 'overRate',
    title: 'The reply to the 31st message of a minute is known',
    run: withBox(async (context) => {
      const { numbers, clock, mailbox } = context;
      // The burst before it must be out of the period.
      await clock.sleep(numbers.periodMs);
      const logins = await Promise.all(Array.from({ length: connectionsAllowed }, () => logIn(context)));
      const dialogs = logins.flatMap(({ dialog, last }) => (last.reply?.code === 235 ? [dialog] : []));
      try {
        if (dialogs.length === 0) return noLogin(logins[0]?.last);
        const sinceMs = clock.monotonic();
        const took: Taken[] = [];
        let next = 0;
        const limit = { reached: false };
        const sendOn = async (dialog: SmtpDialog): Promise<void> => {
          while (
            !limit.reached &&
            next < numbers.overRateCount &&
            clock.monotonic() - sinceMs < numbers.periodMs
          ) {
            next += 1;
            const number = next;
            const subject = `${markOf(context, 'overRate')} ${String(number)}`;
            const steps = await dialog.send(
              mailbox.address,
              mailbox.address,
              plainMail(mailbox.address, subject, clock.now()),
            );
            took.push({ number, steps });
            if (!isTaken(steps) || isDelayed(steps, took, numbers.delayedMs)) limit.reached = true;
          }
        };
        await Promise.all(dialogs.map(sendOn));
        return judgeOverRate(took, clock.monotonic() - sinceMs, context);
      } finally {
        for (const { dialog } of logins) dialog.close();
      }
    }),
  },
  {
    id: 'overConnections',
    title: 'The reply to a fourth connection is known',
    run: withBox(async (context) => {
      const { mailbox, clock } = context;
      await clock.sleep(context.numbers.periodMs);
      const dialogs: SmtpDialog[] = [];
      try {
        for (let number = 1; number <= connectionsAllowed + 1; number += 1) {
          const { dialog, last } = await logIn(context);
          dialogs.push(dialog);
          if (last.reply?.code !== 235) return number <= 1 ? noLogin(last) : judgeConnections(number, last);
        }
        const subject = `${markOf(context, 'overConnections')} 4`;
        const steps = await dialogs[connectionsAllowed]?.send(
          mailbox.address,
          mailbox.address,
          plainMail(mailbox.address, subject, clock.now()),
        );
        const last = steps?.at(-1);
        return last === undefined || isTaken(steps ?? [])
          ? passed('A fourth connection was served.', { overConnections: 'a fourth connection was served' })
          : judgeConnections(connectionsAllowed + 1, last);
      } finally {
        for (const dialog of dialogs) dialog.close();
      }
    }),
  },
];

interface Taken {
  readonly number: number;
  readonly steps: readonly StepTaken[];
}

async function logIn(context: CheckContext): ReturnType<typeof SmtpDialog.logIn> {
  const { servers, mailbox, clock } = context;
  return SmtpDialog.logIn({
    ...servers.smtp,
    user: mailbox.address,
    token: await servers.token(),
    clock,
    stepMs,
  });
}

const isTaken = (steps: readonly StepTaken[]): boolean => {
  const last = steps.at(-1);
  return last?.step === 'dot' && last.reply?.code === 250;
};

/** Far longer than the others, which differ by the load of the server. */
function isDelayed(steps: readonly StepTaken[], took: readonly Taken[], delayedMs: number): boolean {
  return slowestOf(steps).ms > Math.max(delayedMs, 5 * medianMs(took));
}

function slowestOf(steps: readonly StepTaken[]): StepTaken {
  return steps.reduce((slowest, step) => (step.ms > slowest.ms ? step : slowest));
}

function medianMs(took: readonly Taken[]): number {
  const all = took.map(({ steps }) => slowestOf(steps).ms).sort((a, b) => a - b);
  return all[Math.floor(all.length / 2)] ?? 0;
}

function judgeOverRate(
  took: readonly Taken[],
  tookMs: number,
  { numbers }: CheckContext,
): ReturnType<typeof passed> {
  const inSeconds = `${(tookMs / 1_000).toFixed(0)} s`;
  const refused = took.find(({ steps }) => !isTaken(steps));
  if (refused !== undefined) {
    const last = refused.steps.at(-1);
    const where = `message ${String(refused.number)}, at ${last?.step ?? 'no step'}`;
    if (last?.reply === undefined)
      return failed(
        `No reply to ${where}.`,
        'Without a reply the bridge looks in Sent Items: nothing is lost, but sending gets slow. Send the JSON report to the maintainers.',
        { overRate: `no reply to ${where}` },
      );
    const said = `${where}: ${quote(last)}`;
    return isKnown(last)
      ? passed(`Refused, ${said}`, { overRate: `refused, ${said}` })
      : failed(`Refused, ${said}`, unknownReply, { overRate: `refused with an unknown reply, ${said}` });
  }
  const late = took.find(({ steps }) => isDelayed(steps, took, numbers.delayedMs));
  if (late !== undefined) {
    const { step, ms } = slowestOf(late.steps);
    const said = `message ${String(late.number)} at ${step}, by ${(ms / 1_000).toFixed(1)} s`;
    return passed(`Delayed: ${said}.`, { overRate: `delayed, ${said}` });
  }
  const said = `${String(took.length)} messages in ${inSeconds} were taken without a delay`;
  return took.length < Math.min(31, numbers.overRateCount)
    ? failed(
        `Only ${said}: the limit was not reached.`,
        'Run the check again from a network nearer to the server.',
      )
    : passed(`${said}.`, { overRate: said });
}

function judgeConnections(number: number, last: StepTaken): ReturnType<typeof passed> {
  const said = `connection ${String(number)}, at ${last.step}: ${quote(last)}`;
  return last.reply !== undefined && isKnown(last)
    ? passed(`Refused, ${said}`, { overConnections: `refused, ${said}` })
    : failed(`Refused, ${said}`, unknownReply, { overConnections: `refused with an unknown reply, ${said}` });
}

const unknownReply =
  'The bridge has no row for this reply (docs/replies.md) and would judge it by its class. Send the JSON report to the maintainers.';

/** Whether the bridge's table has a row for it, so that it slows down and blames no message. */
function isKnown({ step, reply }: StepTaken): boolean {
  if (reply === undefined) return false;
  const phase = phaseOf[step];
  const judgement = judgeFailure({ phase, reply, detail: '' }, step === 'dot');
  return (
    rowFor(reply, phase) !== undefined && judgement.do !== 'deadLetter' && judgement.do !== 'unexplained'
  );
}

function quote({ reply }: StepTaken): string {
  if (reply === undefined) return 'no reply';
  // A server may name an address or its own host in brackets.
  const text = reply.text.replaceAll(/\S+@\S+/g, '…').slice(0, 120);
  return `${String(reply.code)} ${reply.enhanced ?? ''} ${text}`.replaceAll(/\s+/g, ' ').trim();
}

function noLogin(last: StepTaken | undefined): ReturnType<typeof passed> {
  return failed(
    `The test mailbox could not log in to SMTP: ${last === undefined ? 'no reply' : `${quote(last)} at ${last.step}`}.`,
    `Set-CASMailbox -SmtpClientAuthenticationDisabled $false for the mailbox, and consent to SMTP.Send. ${exchangeWait}`,
  );
}
