// Bounces: is it one, whom does it concern, and is the address dead.
//
// The report part (RFC 3464) is believed for recipients and actions. For the status the most telling code counts:
// many servers write 5.0.0 into the field and the real code into the diagnostic text or the words for people.
//
// The work is linear: a notice is judged once, not once for each of the recipients that share it.
import { addressCharacters, reportedAddress } from './bounceAddress.ts';
import { readReport, recipientLimit, type ReportedRecipient } from './bounceFields.ts';
import { codesIn, isTelling, type Codes } from './bounceCodes.ts';
import { judgeRefusal, refusalCharacters, type Judgement, type Refusal } from './bounceReason.ts';
import { bounceSign, bounceSubject, isDelayNotice, isReport, isSuccessNotice } from './bounceSigns.ts';
import {
  commandIn,
  recipientsInText,
  textRecipientLimit,
  type Moment,
  type TextRecipient,
} from './bounceText.ts';
import { noticeText } from './noticeText.ts';
import { readServiceNotice, serviceRecipientLimit } from './serviceNotice.ts';
import type { Bounce, BounceRecipient } from '../contract/classification.ts';
import { fieldsNamed, type HeaderBlock } from '../mail/headers.ts';
import { decodedText, type MimePart } from './mimeTree.ts';
import type { Origin } from './origin.ts';

/** A bounce, or a report that everything arrived (`delivered`), with the sign that decided. */
export interface BounceVerdict {
  readonly kind: 'bounce' | 'receipt';
  readonly bounce: Bounce;
  readonly because: string;
  /** The report names more recipients than `bounce` does. */
  readonly isCut: boolean;
}

/** Undefined for a message that is no delivery report. */
export function readBounce(
  root: MimePart,
  origin: Origin,
  returned: HeaderBlock | undefined,
): BounceVerdict | undefined {
  const mail = mailOf(root, origin, returned);
  const report = reportIn(mail);
  if (report !== undefined) return fromReport(mail, report);
  const service = origin.person ? undefined : readServiceNotice(root);
  if (service !== undefined) {
    const isCut = service.length >= serviceRecipientLimit;
    return { kind: 'bounce', bounce: bounceOf(service), because: 'notification service', isCut };
  }
  const named = (): 'listed' | 'inline' | 'none' => {
    const [first] = mail.inText();
    return first === undefined ? 'none' : first.listed ? 'listed' : 'inline';
  };
  const sign = bounceSign(root, mail.notice, origin, named);
  return sign === undefined ? undefined : fromText(mail, sign);
}

/** What the readers below share; each thing is worked out once. */
interface Mail {
  readonly root: MimePart;
  readonly origin: Origin;
  readonly returned: HeaderBlock | undefined;
  readonly notice: string;
  readonly inText: () => readonly TextRecipient[];
  readonly judge: (detail: string) => Judged;
  readonly verdict: (refusal: Refusal) => Judgement;
}

/** What a text says about a refusal. */
interface Judged extends Codes {
  readonly command: Moment;
}

function mailOf(root: MimePart, origin: Origin, returned: HeaderBlock | undefined): Mail {
  const notice = noticeText(root);
  let found: readonly TextRecipient[] | undefined;
  const judged = new Map<string, Judged>();
  const verdicts = new Map<string, Judgement>();
  return {
    root,
    origin,
    returned,
    notice,
    inText: () => (found ??= recipientsInText(notice, ownAddresses(root))),
    judge: (detail) => {
      const known = judged.get(detail);
      if (known !== undefined) return known;
      const now = { ...codesIn(detail), command: commandIn(detail) };
      judged.set(detail, now);
      return now;
    },
    verdict: (refusal) => {
      const { text, status, replyCode, command, fieldOnly = false } = refusal;
      const key = [status, replyCode, command, String(fieldOnly), text.slice(0, refusalCharacters)].join(
        '\n',
      );
      const known = verdicts.get(key);
      if (known !== undefined) return known;
      const now = judgeRefusal(refusal);
      verdicts.set(key, now);
      return now;
    },
  };
}

interface Report {
  readonly recipients: readonly ReportedRecipient[];
  readonly because: string;
  readonly isCut: boolean;
}

/**
 * The report at the root of the message. One below another root or inside an attached message counts only where a
 * machine sent the mail: a person may forward what he got.
 */
function reportIn({ root, origin, notice }: Mail): Report | undefined {
  const trusted = origin.machine && !origin.person;
  const atRoot = root.contentType.endsWith('delivery-status') || isReport(root, 'delivery-status');
  for (const { part, inMessage } of reportParts(root)) {
    if (!trusted && (!atRoot || inMessage)) continue;
    const text = decodedText(part);
    const recipients = readReport(text);
    const isCut = namesMore(text, recipients.length);
    if (recipients.length > 0) return { recipients, because: 'delivery-status part', isCut };
  }
  if (!trusted) return undefined;
  // The same fields in plain text: a broken tree, or a server that writes them for people.
  for (const text of [notice, root.body.slice(0, 200_000)]) {
    const at = /^[ \t>]*(?:final-recipient|original-recipient) *:/im.exec(text)?.index;
    if (at === undefined || !/^[ \t>]*(?:action|status|diagnostic-code) *:/im.test(text)) continue;
    if (origin.daemon === 'none' && !origin.nullPath && !bounceSubject(origin)) continue;
    const begin = Math.max(0, text.lastIndexOf('\n\n', at));
    const recipients = readReport(text.slice(begin).replace(/^[ \t>]+/gm, ''));
    if (recipients.length > 0)
      return {
        recipients,
        because: 'delivery-status fields in text',
        isCut: recipients.length > recipientLimit,
      };
  }
  return undefined;
}

/** More recipients than `count`, or than the notice may list. */
function namesMore(report: string, count: number): boolean {
  if (count > recipientLimit) return true;
  const field = /^final-recipient[ \t]*:/gim;
  for (let named = 0; named <= count; named += 1) if (!field.test(report)) return false;
  return true;
}

/** Those outside of attached messages first. */
function reportParts(root: MimePart): readonly { readonly part: MimePart; readonly inMessage: boolean }[] {
  const found: { part: MimePart; inMessage: boolean }[] = [];
  const visit = (part: MimePart, inMessage: boolean): void => {
    if (/^message\/(?:global-)?delivery-status$/.test(part.contentType)) found.push({ part, inMessage });
    const attached = /^message\/(?:rfc822|global)$/.test(part.contentType);
    for (const child of part.parts) visit(child, inMessage || attached);
  };
  visit(root, false);
  return found.sort((one, other) => Number(one.inMessage) - Number(other.inMessage));
}

function fromReport(mail: Mail, report: Report): BounceVerdict {
  const byAddress = new Map(mail.inText().map((one) => [one.address.toLowerCase(), one]));
  const alone = report.recipients.length === 1 && byAddress.size <= 1;
  const recipients = report.recipients.map((one) => {
    const own = byAddress.get(one.final.toLowerCase()) ?? byAddress.get(one.original.toLowerCase());
    return reported(mail, one, { own, alone });
  });
  const named = recipients.some(({ address }) => address !== '')
    ? recipients
    : recipients.map((one) => ({ ...one, address: fallbackAddress(mail) }));
  const failed = named.filter(({ action }) => action === 'failed' || action === 'delayed');
  const { because, isCut } = report;
  return failed.length === 0
    ? { kind: 'receipt', bounce: { severity: 'soft', recipients: bounded(named) }, because, isCut }
    : { kind: 'bounce', bounce: bounceOf(failed), because, isCut };
}

function reported(
  mail: Mail,
  one: ReportedRecipient,
  { own, alone }: { readonly own: TextRecipient | undefined; readonly alone: boolean },
): BounceRecipient {
  const { notice, judge, verdict } = mail;
  // One recipient and no diagnostic: the reason may stand anywhere in the words for people.
  const detail = alone && one.diagnostic === '' ? notice : (own?.detail ?? (alone ? notice : ''));
  const codes = bestCodes(one, judge(one.diagnostic), judge(detail));
  const action = one.action === '' ? guessedAction(mail, one.status) : one.action;
  const said = one.diagnostic !== '' ? one.diagnostic : detail;
  const command = commandIn(`${detail.slice(0, 4_000)}\n${one.diagnostic}`);
  const fieldOnly = one.diagnostic === '' && one.status !== '';
  const text = saysLittle(said) ? `${said} ${detail.slice(0, 4_000)}` : said;
  const address = one.final !== '' ? one.final : (own?.address ?? one.original);
  return {
    address,
    ...(one.original !== '' && !same(one.original, address) ? { original: one.original } : {}),
    ...codes,
    ...hardIf(verdict({ text, ...codes, command, fieldOnly }), action),
    action,
    diagnostic: said,
  };
}

function guessedAction({ origin, notice }: Mail, status: string): BounceRecipient['action'] {
  if (status.startsWith('2.')) return 'delivered';
  return isDelayNotice(origin, notice) ? 'delayed' : 'failed';
}

/** The field's status unless it is a mere x.0.0 (or "expired") and the server's own words hold a better one. */
function bestCodes(one: ReportedRecipient, inDiagnostic: Codes, inWords: Codes): Codes {
  const replyCode = inDiagnostic.replyCode !== '' ? inDiagnostic.replyCode : inWords.replyCode;
  const vague = !isTelling(one.status) || /^[45]\.4\.7$/.test(one.status);
  const spoken = inDiagnostic.status !== '' ? inDiagnostic.status : inWords.status;
  if (vague && isTelling(spoken)) return { status: spoken, replyCode };
  return { status: one.status !== '' ? one.status : spoken, replyCode };
}

/** No diagnostic words at all, only codes. */
function saysLittle(text: string): boolean {
  return text.slice(0, 2_000).replace(/[^a-z\u0080-\uffff]+/gi, '').length < 12;
}

function fromText(mail: Mail, because: string): BounceVerdict {
  const { root, origin, notice, judge } = mail;
  const inText = mail.inText();
  const byAddress = new Map(inText.map((one) => [one.address.toLowerCase(), one]));
  const failed = failedRecipients(root).map((address): Omit<TextRecipient, 'listed'> => ({
    address,
    detail: notice,
    ...byAddress.get(address.toLowerCase()),
  }));
  const named = failed.length > 0 ? failed : inText;
  const list =
    named.length > 0
      ? named
      : returnedRecipients(mail.returned).map((address): Omit<TextRecipient, 'listed'> => ({
          address,
          detail: notice,
        }));
  const action = isSuccessNotice(origin) ? 'delivered' : isDelayNotice(origin, notice) ? 'delayed' : 'failed';
  const all = list.length <= 1 ? judge(notice) : undefined;
  const recipients = (list.length > 0 ? list : [{ address: '', detail: notice }]).map(
    ({ address, detail, original }: Omit<TextRecipient, 'listed'>): BounceRecipient => {
      const own = judge(detail);
      const codes = {
        status: own.status !== '' ? own.status : (all?.status ?? ''),
        replyCode: own.replyCode !== '' ? own.replyCode : (all?.replyCode ?? ''),
      };
      const command = own.command === '' && saysLittle(detail) ? judge(notice).command : own.command;
      const first = hardIf(mail.verdict({ text: detail, ...codes, command }), action);
      // Where the words beside the address explain nothing, the rest of the notice may.
      const silent = first.reason === 'onhold' || first.reason === 'undefined';
      const verdict = silent ? hardIf(mail.verdict({ text: notice, ...codes, command }), action) : first;
      const from = original === undefined ? {} : { original };
      return { address, ...from, ...codes, ...verdict, action, diagnostic: detail };
    },
  );
  const isCut = list.length >= (failed.length > 0 ? recipientLimit : textRecipientLimit);
  return {
    kind: action === 'delivered' ? 'receipt' : 'bounce',
    bounce: bounceOf(recipients),
    because,
    isCut,
  };
}

/** Only what has failed can be dead. */
function hardIf({ reason, hard }: Judgement, action: BounceRecipient['action']): Judgement {
  return { reason, hard: hard && action === 'failed' };
}

/** Exim and Gmail name them in a field of their own. */
function failedRecipients(root: MimePart): readonly string[] {
  return fieldsNamed(root, 'x-failed-recipients')
    .flatMap((value) => value.split(','))
    .slice(0, recipientLimit)
    .map((one) => reportedAddress(one))
    .filter((one) => one !== '');
}

function fallbackAddress(mail: Mail): string {
  return (
    failedRecipients(mail.root)[0] ?? mail.inText()[0]?.address ?? returnedRecipients(mail.returned)[0] ?? ''
  );
}

function returnedRecipients(returned: HeaderBlock | undefined): readonly string[] {
  if (returned === undefined) return [];
  const to = fieldsNamed(returned, 'to').join(',').slice(0, 10_000);
  return addressesIn(to).slice(0, 20);
}

/** Those whom the bounce is addressed to are the senders of the returned message. */
function ownAddresses(root: MimePart): ReadonlySet<string> {
  const values = ['to', 'delivered-to', 'from'].flatMap((name) => fieldsNamed(root, name));
  return new Set(addressesIn(values.join(',').slice(0, 10_000)).map((address) => address.toLowerCase()));
}

function addressesIn(text: string): readonly string[] {
  return [...text.matchAll(/[^\s<>,;:"()@]{1,120}@[a-z0-9.-]{1,250}/gi)]
    .map(([address]) => address)
    .filter(({ length }) => length <= addressCharacters);
}

function bounceOf(recipients: readonly BounceRecipient[]): Bounce {
  const severity = recipients.some(({ hard }) => hard)
    ? 'hard'
    : recipients.every(({ action }) => action === 'delayed')
      ? 'delayed'
      : 'soft';
  return { severity, recipients: bounded(recipients) };
}

/** Of many recipients each has less to say: all texts together stay below 100,000 characters. */
function bounded(recipients: readonly BounceRecipient[]): readonly BounceRecipient[] {
  const characters = recipients.length > 200 ? 100 : 500;
  return recipients.slice(0, recipientLimit).map((one) => ({
    ...one,
    address: one.address.length > addressCharacters ? '' : one.address,
    diagnostic: squeezed(one.diagnostic, characters),
  }));
}

function same(one: string, other: string): boolean {
  return one !== '' && one.toLowerCase() === other.toLowerCase();
}

/** In one line, cut between characters. */
function squeezed(text: string, characters: number): string {
  return text
    .slice(0, characters * 8)
    .replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, characters)
    .replace(/[\ud800-\udbff]$/, '')
    .toWellFormed();
}
