// A message through the bridge, and what of it came: the steps that most checks share.
import type { SubmissionState } from '../bridgeAccess.ts';
import { failed, markOf, notDone, until, type CheckContext, type CheckResult } from '../check.ts';
import type { Seen, TestMailbox } from '../testMailbox.ts';

export type SendOutcome =
  | { readonly kind: 'sent'; readonly id: string; readonly state: SubmissionState }
  | { readonly kind: 'not'; readonly result: CheckResult; readonly state?: SubmissionState };

export const idOf = (context: CheckContext, check: string): string => `acceptance-${context.run}-${check}`;

/** A submission to the mailbox itself, unless `fields` says another recipient. */
export function submissionOf(
  context: CheckContext,
  check: string,
  fields: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> & { readonly id: string; readonly mailbox: string } {
  const { address } = context.mailbox;
  return {
    version: 1,
    id: idOf(context, check),
    mailbox: address,
    to: [address],
    subject: `${markOf(context, check)} A message of the acceptance run`,
    text: 'A message of the acceptance run. It may be deleted.',
    headers: { 'X-Auto-Response-Suppress': 'All' },
    ...fields,
  };
}

/** Puts the submission on the queue and follows it to its end. */
export async function sendThroughBridge(
  context: CheckContext,
  check: string,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<SendOutcome> {
  const submission = submissionOf(context, check, fields);
  await context.bridge.submit(submission);
  return followSubmission(context, submission);
}

/** Waits until a submission that was put is sent, or can't be. */
export async function followSubmission(
  context: CheckContext,
  { id, mailbox }: { readonly id: string; readonly mailbox: string },
): Promise<SendOutcome> {
  const { bridge, numbers } = context;
  const senders = [mailbox, context.mailbox.smtpUser, context.mailbox.address];
  let latest: SubmissionState | undefined;
  const end = await until(context, numbers.waitMs, async () => {
    latest = await bridge.stateOf(id, senders);
    if (latest?.isSettled === true) return latest;
    return latest === undefined && (await bridge.isRejected(id)) ? 'rejected' : undefined;
  });
  if (end === 'rejected') {
    return {
      kind: 'not',
      result: failed(
        'The bridge rejected the submission.',
        'The event mail.rejected on mail-status names the field.',
      ),
    };
  }
  if (end?.state === 'sent') return { kind: 'sent', id, state: end };
  const waited = `${String(Math.round(numbers.waitMs / 1_000))} s`;
  const result =
    latest === undefined
      ? failed(
          `The bridge did not take the submission from its queue within ${waited}.`,
          'Is acceptMail running, and is the store the one of this app?',
        )
      : failed(
          `${latest.state}${end === undefined ? ` after ${waited}` : ''}: ${latest.detail}`.trim(),
          latest.remedy === '' ? 'The doctor names the step that fails.' : latest.remedy,
        );
  return { kind: 'not', result, ...(latest === undefined ? {} : { state: latest }) };
}

/** Where mail to the mailbox can be: the folder that is fetched, and the one that the bridge moves to. */
export function arrivalFolders({ folder, afterFetch }: CheckContext['mailbox']): readonly string[] {
  const target = movedTo(afterFetch);
  return target === undefined ? [folder] : [folder, target];
}

/** The folder of `move:FOLDER`. */
export function movedTo(afterFetch: string): string | undefined {
  return afterFetch.startsWith('move:') ? afterFetch.slice('move:'.length) : undefined;
}

/** Waits for a message in the mailbox and reads it. While the bridge moves it, it is looked for again. */
export async function arrival(
  context: CheckContext,
  box: TestMailbox,
  mark: string,
  limitMs = context.numbers.waitMs,
): Promise<{ readonly seen: Seen; readonly source: Buffer } | undefined> {
  return until(context, limitMs, async () => {
    const [seen] = await arrivals(context, box, mark);
    if (seen === undefined) return undefined;
    const source = await box.source(seen).catch(() => undefined);
    return source === undefined ? undefined : { seen, source };
  });
}

/** All messages with that mark in the folders of arrival; one that the bridge moves meanwhile counts once. */
export async function arrivals(
  context: CheckContext,
  box: TestMailbox,
  mark: string,
): Promise<readonly Seen[]> {
  const all: Seen[] = [];
  for (const folder of arrivalFolders(context.mailbox))
    all.push(...(await box.look(folder, mark).catch(() => [])));
  return all;
}

/** Why nothing arrived, as far as the mailbox shows it. */
export async function notArrived(box: TestMailbox, mark: string): Promise<CheckResult> {
  const { junkFolder } = box;
  if (junkFolder !== undefined && (await box.look(junkFolder, mark).catch(() => [])).length > 0) {
    return failed(
      `Exchange took the message and filed it in ${junkFolder}.`,
      'Look at the X-Forefront-Antispam-Report field of the message; mail of your own organisation should not be there.',
    );
  }
  return failed(
    'The server accepted the message, and it did not arrive.',
    'Look for it in the message trace of the Exchange admin center: a transport rule or quarantine may have taken it.',
  );
}

/** A check that only sends, and looks at what arrived. */
export async function sendAndLook(
  context: CheckContext,
  box: TestMailbox,
  check: string,
  fields: Readonly<Record<string, unknown>>,
  judge: (arrived: {
    readonly seen: Seen;
    readonly source: Buffer;
    readonly state: SubmissionState;
  }) => CheckResult | Promise<CheckResult>,
): Promise<CheckResult> {
  const sent = await sendThroughBridge(context, check, fields);
  if (sent.kind === 'not') return sent.result;
  const mark = markOf(context, check);
  const arrived = await arrival(context, box, mark);
  return arrived === undefined ? notArrived(box, mark) : judge({ ...arrived, state: sent.state });
}

/** For a check whose option was not given. */
export const needs = (option: string, what: string): CheckResult =>
  notDone(`Not asked for: ${what}.`, `Give ${option} to include it.`);
