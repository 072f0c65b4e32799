// Failure reports, each minute. A report is due with the event that brought it (records/reportRow.ts), or an hour after a
// message was held; then the message is looked at again, since it may have gone on. It is filed by IMAP, which needs no
// quota and no SMTP. A try is noted before it is made: after one whose answer was lost, the report is looked for by its
// Message-ID before it is filed again. It is tried for about a week.
import { field, mailText, messageIds, readHeaders } from '../../mail/headers.ts';
import { messageOf } from '../../mail/foreign.ts';
import { present } from '../../mail/omit.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { accountOf, mailboxIn } from '../accounts.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Filing, Row } from '../ports.ts';
import { reportKey, reportRange, reportsPartition } from '../records/keys.ts';
import type { Message } from '../records/message.ts';
import { decodeReport, encodeReport, encodeSaid, type DueReport } from '../records/reportRow.ts';
import { readIfReadable } from '../store/accountTransaction.ts';
import { decodeContent } from '../store/content.ts';
import { isReportId, reportBytes, reportDomain, reportMessageId } from './reportText.ts';

/** Rows that are looked at in one run, and reports that are filed. */
const listedMost = 1_000;
const filedMost = 50;
/** A run ends before the next one begins. */
const runMs = 45_000;
const fileMs = 30_000;
const claimMs = 5 * 60_000;
const longestDelayMs = 3_600_000;
/** With the delays above, about a week. */
const triesMost = 175;
/** Of the message: its header is in it. */
const headerBytes = 65_536;

export interface ReportRun {
  readonly filedCount: number;
  readonly failedCount: number;
}

type ReportDependencies = Dependencies & { readonly filing: Filing };

/** Files the reports that are due. Throws StorageTrouble. */
export async function sendReports(dependencies: ReportDependencies): Promise<ReportRun> {
  const { rows, time, clock } = dependencies;
  const startedAt = clock.monotonic();
  // Any answer of the store tells its time.
  const listed = await rows.query(reportsPartition, { ...reportRange('due'), limit: listedMost });
  const earliest = time.earliest();
  let filedCount = 0;
  let failedCount = 0;
  for (const row of listed) {
    const report = decodeReport(row.fields);
    if (report === undefined || report.nextAt > earliest) continue;
    if (filedCount + failedCount >= filedMost || clock.monotonic() - startedAt > runMs) break;
    const result = await make(row, report, dependencies);
    if (result === 'filed') filedCount += 1;
    if (result === 'failed') failedCount += 1;
  }
  return { filedCount, failedCount };
}

/** Whether a Message-ID is that of a report: our own fetch leaves it alone. */
export const isOwnReport = async (messageId: string, { tagKey }: Dependencies): Promise<boolean> =>
  messageId.endsWith(`@${reportDomain}>`) && isReportId(messageId, await tagKey());

async function make(
  row: Row,
  report: DueReport,
  dependencies: ReportDependencies,
): Promise<'filed' | 'failed' | 'none'> {
  const { rows, time, log, filing, clock } = dependencies;
  const { account, id } = report;
  const settled = (fields: object = {}): Promise<unknown> =>
    rows.commit(reportsPartition, [
      { kind: 'delete', key: row.key },
      { kind: 'insert', key: reportKey('made', report), fields: { at: time.earliest(), ...fields } },
    ]);
  const mailbox = mailboxIn(accountOf(account, dependencies), report.mailbox);
  const message =
    report.said.header === undefined ? await readIfReadable(account, id, dependencies) : undefined;
  if (!isStillSo(report, message)) {
    await rows.commit(reportsPartition, [{ kind: 'delete', key: row.key, etag: row.etag }]);
    return 'none';
  }
  const { failureReports = { folder: 'INBOX', autoSubmitted: true } } = mailbox ?? {};
  if (mailbox === undefined || failureReports === 'off' || isAboutReports(report)) {
    await settled({ result: 'off' });
    return 'none';
  }
  const claimed = await claim(row, report, dependencies);
  if (claimed === undefined) return 'none';
  const answer = await (async () => {
    try {
      const key = await dependencies.tagKey();
      const messageId = reportMessageId(report, key);
      const { autoSubmitted, folder } = failureReports;
      const about = await subjectOf(report, message, dependencies);
      const bytes = reportBytes({ report, messageId, ...about, autoSubmitted, at: report.at });
      const startedAt = clock.monotonic();
      const budget = { remainingMs: () => fileMs - (clock.monotonic() - startedAt) };
      return await filing.file(mailbox, { folder, bytes, messageId, mayBeThere: report.tries > 0 }, budget);
    } catch (error) {
      return { kind: 'failed', detail: messageOf(error) } as const;
    }
  })();
  if (answer.kind !== 'failed') {
    log(
      outboundEvents.reportFiled({
        account,
        id,
        mailbox: mailbox.address,
        repeated: answer.kind === 'there',
      }),
    );
    await settled({ result: 'filed' });
    return 'filed';
  }
  const triesCount = report.tries + 1;
  const isLast = triesCount >= triesMost;
  log(
    outboundEvents.reportFailed({
      account,
      id,
      mailbox: mailbox.address,
      triesCount,
      isLast,
      detail: answer.detail,
    }),
  );
  if (isLast) await settled({ result: 'givenUp' });
  else {
    const delayMs = Math.max(
      Math.min(longestDelayMs, 60_000 * 2 ** Math.min(report.tries, 10)),
      'retryAfterMs' in answer ? (answer.retryAfterMs ?? 0) : 0,
    );
    await rows.commit(reportsPartition, [
      { kind: 'merge', key: row.key, fields: { nextAt: time.earliest() + delayMs }, etag: claimed },
    ]);
  }
  return 'failed';
}

/** One run at a time makes a try; the ETag of the claim, or undefined. */
async function claim(
  row: Row,
  report: DueReport,
  { rows, time }: ReportDependencies,
): Promise<string | undefined> {
  const { said, ...rest } = report;
  const fields = encodeReport({
    ...rest,
    said: encodeSaid(said),
    tries: report.tries + 1,
    nextAt: time.earliest() + claimMs,
  });
  const answer = await rows.commit(reportsPartition, [
    { kind: 'replace', key: row.key, fields, etag: row.etag },
  ]);
  return answer.kind === 'ok' ? answer.etags[row.key] : undefined;
}

/** It may have been sent again meanwhile, or gone on by itself; its next failure is noted anew. */
function isStillSo({ said }: DueReport, message: Message | undefined): boolean {
  if (said.type === 'intake' || said.type === 'mail.bounced' || said.type === 'mail.sent') return true;
  // Its row is gone: deleted by a person.
  if (message === undefined) return false;
  if (said.type === 'hold') return message.state === 'waiting' || message.state === 'held';
  return message.state === 'failed' || message.state === 'expired' || message.state === 'held';
}

/** A report on mail to the sender of reports would bring the next one. */
const isAboutReports = ({ said: { recipients } }: DueReport): boolean =>
  recipients.length > 0 &&
  recipients.every(({ address }) => address.toLowerCase().endsWith(`@${reportDomain}`));

async function subjectOf(
  { said, id }: DueReport,
  message: Message | undefined,
  { contents }: ReportDependencies,
): Promise<{ readonly subject: string; readonly ofMessageId?: string }> {
  const header = said.header ?? (await headerOf(message, contents));
  const fallback = `Message ${id} was not sent`;
  if (header === undefined) return { subject: fallback, ...present({ ofMessageId: message?.messageId }) };
  const block = readHeaders(header);
  const subject = field(block, 'subject').trim();
  const ofMessageId = message?.messageId ?? messageIds(field(block, 'message-id'))[0];
  return { subject: subject === '' ? fallback : subject, ...present({ ofMessageId }) };
}

/** The header of a raw message; its content may be gone by now. */
async function headerOf(
  message: Message | undefined,
  contents: Dependencies['contents'],
): Promise<string | undefined> {
  if (message === undefined || message.content.length === 0) return undefined;
  const stored = typeof message.content === 'string' ? await contents.get(message.content) : message.content;
  if (stored === undefined) return undefined;
  const { submission, blobs } = decodeContent(stored);
  if (submission.kind !== 'raw') return `Subject: ${submission.subject}\r\n\r\n`;
  const [only] = blobs;
  if (only === undefined) return undefined;
  const bytes =
    only.base64 === undefined ? await contents.get(only.name) : Buffer.from(only.base64, 'base64');
  return bytes === undefined ? undefined : mailText(bytes.subarray(0, headerBytes));
}
