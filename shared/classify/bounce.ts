// Bounces: is it one, whom does it concern, and is the address dead.
//
// The report part (RFC 3464) is believed for recipients and actions. For the status the most telling code counts:
// many servers write 5.0.0 into the field and the real code into the diagnostic text or the words for people.
import { readReport, type ReportedRecipient } from './bounceFields.ts';
import { codesIn, isTelling, type Codes } from './bounceCodes.ts';
import { isDead, reasonOf } from './bounceReason.ts';
import { bounceSign, bounceSubject, daemonLike, isDelayNotice, isSuccessNotice } from './bounceSigns.ts';
import { commandIn, noticeOfText, recipientsInText, type TextRecipient } from './bounceText.ts';
import type { Bounce, BounceRecipient } from '../contract/classification.ts';
import { field, fieldsNamed, type HeaderBlock } from '../mail/headers.ts';
import { decodedText, walk, type MimePart } from './mimeTree.ts';

/** A bounce, or a report that everything arrived (`delivered`), with the sign that decided. */
export interface BounceVerdict {
  readonly kind: 'bounce' | 'receipt';
  readonly bounce: Bounce;
  readonly because: string;
}

/** Undefined for a message that is no delivery report. */
export function readBounce(root: MimePart, returned: HeaderBlock | undefined): BounceVerdict | undefined {
  const notice = noticeText(root);
  const report = reportIn(root, notice);
  if (report !== undefined) return fromReport(root, report, notice, returned);
  const service = fromService(root);
  if (service !== undefined) return service;
  const sign = bounceSign(root, notice);
  return sign === undefined ? undefined : fromText(root, notice, returned, sign);
}

/** The text for people, of all parts that are not the returned message. */
export function noticeText(root: MimePart): string {
  const texts: string[] = [];
  const visit = (part: MimePart, depth: number): void => {
    if (part.contentType.startsWith('message/') && depth > 0) return;
    if (part.parts.length === 0 && (part.contentType === 'text/plain' || part.contentType === 'text/html')) {
      const text = decodedText(part);
      texts.push(noticeOfText(part.contentType === 'text/html' ? withoutTags(text) : text));
    }
    for (const child of part.parts) visit(child, depth + 1);
  };
  visit(root, 0);
  if (texts.length === 0 && root.parts.length === 0) texts.push(noticeOfText(decodedText(root)));
  return texts.join('\n').slice(0, 200_000);
}

export function withoutTags(html: string): string {
  return html
    .slice(0, 400_000)
    .replace(/<(?:br|p|div|tr|li|h\d)\b[^<>]{0,500}>/gi, '\n')
    .replace(/<(?![^<>@]{0,200}@)[^<>]{0,1000}>/g, '')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&nbsp;/g, ' ')
    .replace(/&quot;|&#34;/g, '"')
    .replace(/&#39;|&apos;/g, "'")
    .replace(/&amp;/g, '&');
}

interface Report {
  readonly recipients: readonly ReportedRecipient[];
  readonly because: string;
}

function reportIn(root: MimePart, notice: string): Report | undefined {
  for (const part of walk(root)) {
    if (
      part.contentType !== 'message/delivery-status' &&
      part.contentType !== 'message/global-delivery-status'
    )
      continue;
    const recipients = readReport(decodedText(part));
    if (recipients.length > 0) return { recipients, because: 'delivery-status part' };
  }
  // The same fields in plain text: a broken tree, or a server that writes them for people.
  for (const text of [notice, root.body.slice(0, 200_000)]) {
    const at = /^[ \t>]*(?:final-recipient|original-recipient) *:/im.exec(text)?.index;
    if (at === undefined || !/^[ \t>]*(?:action|status|diagnostic-code) *:/im.test(text)) continue;
    if (!daemonLike(root) && !bounceSubject(root)) continue;
    const begin = Math.max(0, text.lastIndexOf('\n\n', at));
    const recipients = readReport(text.slice(begin).replace(/^[ \t>]+/gm, ''));
    if (recipients.length > 0) return { recipients, because: 'delivery-status fields in text' };
  }
  return undefined;
}

function fromReport(
  root: MimePart,
  report: Report,
  notice: string,
  returned: HeaderBlock | undefined,
): BounceVerdict {
  const inText = recipientsInText(notice, ownAddresses(root));
  const recipients = report.recipients.map((one) => reported(one, inText, notice, root));
  const named = recipients.some(({ address }) => address !== '')
    ? recipients
    : withFallback(recipients, root, inText, returned);
  const failed = named.filter(({ action }) => action === 'failed' || action === 'delayed');
  if (failed.length === 0)
    return { kind: 'receipt', bounce: { severity: 'soft', recipients: named }, because: report.because };
  return { kind: 'bounce', bounce: bounceOf(failed), because: report.because };
}

function reported(
  one: ReportedRecipient,
  inText: readonly TextRecipient[],
  notice: string,
  root: MimePart,
): BounceRecipient {
  const own = inText.find(({ address }) => same(address, one.final) || same(address, one.original));
  // One recipient and no diagnostic: the reason may stand anywhere in the words for people.
  const alone = inText.length <= 1;
  const detail = alone && one.diagnostic === '' ? notice : (own?.detail ?? (alone ? notice : ''));
  const codes = bestCodes(one, detail);
  const guessed = one.status.startsWith('2.')
    ? 'delivered'
    : isDelayNotice(root, notice)
      ? 'delayed'
      : 'failed';
  const action = one.action === '' ? guessed : one.action;
  const said = one.diagnostic !== '' ? one.diagnostic : detail;
  const command = commandIn(`${detail}\n${one.diagnostic}`);
  const reason = reasonOf({ text: saysLittle(said) ? `${said} ${detail}` : said, ...codes, command });
  return {
    address: one.final !== '' ? one.final : (own?.address ?? one.original),
    ...(one.original !== '' && !same(one.original, one.final) ? { original: one.original } : {}),
    ...codes,
    hard: action === 'failed' && isDead(reason, codes.status),
    reason,
    action,
    diagnostic: squeezed(said),
  };
}

/** The field's status unless it is a mere x.0.0 (or "expired") and the server's own words hold a better one. */
function bestCodes(one: ReportedRecipient, detail: string): Codes {
  const inDiagnostic = codesIn(one.diagnostic);
  const inWords = codesIn(detail);
  const replyCode = inDiagnostic.replyCode !== '' ? inDiagnostic.replyCode : inWords.replyCode;
  const vague = !isTelling(one.status) || /^[45]\.4\.7$/.test(one.status);
  const spoken = inDiagnostic.status !== '' ? inDiagnostic.status : inWords.status;
  const better = isTelling(spoken) ? spoken : '';
  if (vague && better !== '') return { status: better, replyCode };
  const status =
    one.status !== '' ? one.status : inDiagnostic.status !== '' ? inDiagnostic.status : inWords.status;
  return { status, replyCode };
}

/** No diagnostic words at all, only codes. */
function saysLittle(text: string): boolean {
  return text.replace(/[^a-z]+/gi, '').length < 12;
}

function fromText(
  root: MimePart,
  notice: string,
  returned: HeaderBlock | undefined,
  because: string,
): BounceVerdict {
  const inText = recipientsInText(notice, ownAddresses(root));
  const failed = fieldsNamed(root, 'x-failed-recipients').flatMap((value) =>
    value.split(',').map((one) => one.trim()),
  );
  const delayed = isDelayNotice(root, notice);
  const arrived = isSuccessNotice(root);
  const known = failed
    .filter((one) => one !== '')
    .map((address) => ({
      address,
      detail: inText.find((one) => same(one.address, address))?.detail ?? notice,
    }));
  const named = known.length > 0 ? known : inText;
  const list =
    named.length > 0 ? named : returnedRecipients(returned).map((address) => ({ address, detail: notice }));
  const recipients = (list.length > 0 ? list : [{ address: '', detail: notice }]).map(
    ({ address, detail }): BounceRecipient => {
      const own = codesIn(detail);
      const all = list.length <= 1 ? codesIn(notice) : own;
      const codes = {
        status: own.status !== '' ? own.status : all.status,
        replyCode: own.replyCode !== '' ? own.replyCode : all.replyCode,
      };
      const command = commandIn(saysLittle(detail) ? `${detail}\n${notice}` : detail);
      const first = reasonOf({ text: detail, ...codes, command });
      // Where the words beside the address explain nothing, the rest of the notice may.
      const reason =
        first === 'onhold' || first === 'undefined' ? reasonOf({ text: notice, ...codes, command }) : first;
      const action = arrived ? 'delivered' : delayed ? 'delayed' : 'failed';
      return {
        address,
        ...codes,
        hard: action === 'failed' && isDead(reason, codes.status),
        reason,
        action,
        diagnostic: squeezed(detail),
      };
    },
  );
  return { kind: arrived ? 'receipt' : 'bounce', bounce: bounceOf(recipients), because };
}

/** Amazon's notification service forwards the report of its mail service as JSON (its "SNS" message). */
function fromService(root: MimePart): BounceVerdict | undefined {
  if (
    root.parts.length > 0 ||
    !/aws notification|amazon/i.test(`${field(root, 'subject')} ${field(root, 'from')}`)
  ) {
    return undefined;
  }
  const text = decodedText(root).slice(0, 200_000).replaceAll('\\"', '"').replace(/\n */g, ' ');
  if (!/"notificationType" ?: ?"Bounce"/.test(text)) return undefined;
  const list = /"bouncedRecipients" ?: ?\[(.{0,20000}?)\]/.exec(text)?.[1] ?? '';
  const recipients = [...list.matchAll(/\{[^{}]{0,4000}\}/g)].slice(0, 100).map(([one]): BounceRecipient => {
    const value = (name: string): string => new RegExp(`"${name}" ?: ?"([^"]{0,2000})"`).exec(one)?.[1] ?? '';
    const diagnostic = value('diagnosticCode').replace(/^smtp; ?/i, '');
    const found = codesIn(diagnostic);
    const codes = {
      status: value('status') === '' ? found.status : value('status'),
      replyCode: found.replyCode,
    };
    const reason = reasonOf({ text: diagnostic, ...codes, command: '' });
    return {
      address: value('emailAddress'),
      ...codes,
      hard: isDead(reason, codes.status),
      reason,
      action: 'failed',
      diagnostic: squeezed(diagnostic),
    };
  });
  if (recipients.length === 0) return undefined;
  return { kind: 'bounce', bounce: bounceOf(recipients), because: 'notification service' };
}

function withFallback(
  recipients: readonly BounceRecipient[],
  root: MimePart,
  inText: readonly TextRecipient[],
  returned: HeaderBlock | undefined,
): readonly BounceRecipient[] {
  const failed = field(root, 'x-failed-recipients').split(',')[0]?.trim();
  const address =
    failed !== undefined && failed !== ''
      ? failed
      : (inText[0]?.address ?? returnedRecipients(returned)[0] ?? '');
  return recipients.map((one) => ({ ...one, address }));
}

function returnedRecipients(returned: HeaderBlock | undefined): readonly string[] {
  if (returned === undefined) return [];
  const to = fieldsNamed(returned, 'to').join(',').slice(0, 10_000);
  return [...to.matchAll(/[^\s<>,;:"()@]{1,120}@[a-z0-9.-]{1,250}/gi)]
    .slice(0, 20)
    .map(([address]) => address);
}

/** Those whom the bounce is addressed to are the senders of the returned message. */
function ownAddresses(root: MimePart): ReadonlySet<string> {
  const values = ['to', 'delivered-to', 'from'].flatMap((name) => fieldsNamed(root, name));
  const found = values
    .join(',')
    .slice(0, 10_000)
    .matchAll(/[^\s<>,;:"()@]{1,120}@[a-z0-9.-]{1,250}/gi);
  return new Set([...found].map(([address]) => address.toLowerCase()));
}

function bounceOf(recipients: readonly BounceRecipient[]): Bounce {
  const severity = recipients.some(({ hard }) => hard)
    ? 'hard'
    : recipients.every(({ action }) => action === 'delayed')
      ? 'delayed'
      : 'soft';
  return { severity, recipients };
}

function same(one: string, other: string): boolean {
  return one !== '' && one.toLowerCase() === other.toLowerCase();
}

function squeezed(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, 500);
}
