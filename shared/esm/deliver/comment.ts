// What a mail looks like on a card. Pure.
import type { WholeNotice } from '../../contract/notice.ts';
import { boundedText, plainLine } from '../../mail/text.ts';

/** ESM's own limit of a worklog is not published; the .eml has the rest. */
export const textCharacters = 30_000;
const subjectCharacters = 250;

/** In each comment: by it a comment whose answer was lost is found again. */
export const markerOf = (noticeId: string): string => `[mail ${noticeId}]`;
/** The same for the comment with the bridge's remarks. */
export const remarksMarkerOf = (noticeId: string): string => `[remarks ${noticeId}]`;

/** Name and address, in one line. */
export function senderOf({ from, sender }: WholeNotice): string {
  const [first = { name: '', address: '' }] = from.length > 0 ? from : sender;
  return boundedText(first.name === '' ? first.address : `${first.name} <${first.address}>`, 300);
}

export const addressOf = ({ from, sender }: WholeNotice): string => (from[0] ?? sender[0])?.address ?? '';

/** Those that the mail went to besides the mailbox. */
export function othersOf({ to, cc, mailbox }: WholeNotice): string {
  const others = [...to, ...cc]
    .map(({ address }) => address)
    .filter((address) => address !== '' && address.toLowerCase() !== mailbox.toLowerCase());
  return boundedText([...new Set(others)].join(', '), 4_000);
}

export function subjectOf({ subject }: WholeNotice): string {
  const text = boundedText(subject, subjectCharacters);
  return text === '' ? '(no subject)' : text;
}

/** ESM's date with a time, UTC. */
export const dateOf = ({ receivedAt, date }: WholeNotice, now: number): string =>
  (receivedAt ?? date ?? new Date(now).toISOString()).replace(/\.\d+Z$/, 'Z');

/** Text for an attribute: line ends and tabs are kept, other control characters are spaces; cut at the limit. */
export function bodyText(text: string): string {
  const plain = text
    .replace(/\r\n?|[\u2028\u2029]/g, '\n')
    .split('\n')
    .map((line) => line.split('\t').map(plainLine).join('\t').trimEnd())
    .join('\n')
    .replace(/\n{4,}/g, '\n\n\n')
    .trim();
  return plain.length <= textCharacters
    ? plain
    : `${plain.slice(0, textCharacters).toWellFormed()}\n[cut after ${textCharacters} characters]`;
}

const titles: Readonly<Record<WholeNotice['kind'], string>> = {
  message: 'From',
  unparsed: 'From',
  autoReply: 'Automatic reply from',
  bounce: 'Not delivered, says',
  receipt: 'Receipt from',
  complaint: 'Complaint from',
};

/** A comment: sender and time first. `warning` follows in a line of its own. */
export function commentOf(notice: WholeNotice, text: string, now: number, warning?: string): string {
  const head = `${titles[notice.kind]} ${senderOf(notice)}, ${dateOf(notice, now)} · ${markerOf(notice.id)}`;
  const recipients = (notice.bounce ?? notice.receipt ?? notice.complaint)?.recipients ?? [];
  const outcomes = recipients
    .slice(0, 50)
    .map(({ address, action, status, diagnostic }) =>
      boundedText(`${address}: ${action} ${status} ${diagnostic}`, 500),
    );
  return [head, ...(warning === undefined ? [] : [warning]), ...outcomes, '', bodyText(text)]
    .join('\n')
    .trim();
}

export const remarksOf = (noticeId: string, remarks: readonly string[]): string =>
  [
    `Remarks of the mail bridge ${remarksMarkerOf(noticeId)}`,
    ...remarks.map((one) => `- ${boundedText(one, 500)}`),
  ].join('\n');

/** Whether HTML shows what text can't: then the .eml is worth keeping. */
export const isRich = (html: string): boolean => /<(?:table|img|svg)\b/i.test(html);
