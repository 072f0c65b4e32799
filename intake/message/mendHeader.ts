// A header that every server on the way takes (RFC 5322, RFC 5321), made from what ESM wrote. ESM can't repair its
// MIME and an agent can do nothing about it, so what has one sensible meaning is mended, with a remark for the
// operator; a field in which nothing is wrong stays as it is, byte for byte.
import { decodedField } from '../../shared/classify/decodeText.ts';
import { isMessageId, messageIdBytes } from '../../shared/mail/messageId.ts';
import { parseAddress, sameAddress } from '../../shared/mail/address.ts';
import { parseAddressList, type AddressList, type Named } from './addressList.ts';
import { lineMostBytes } from './contentScan.ts';
import { encodeWords, isEightBit, textOfBytes } from './encodedWords.ts';
import { readFrom } from './judge.ts';
import { valueOf, type Field } from './headerFields.ts';
import { markingFields } from './marking.ts';

/** What was decided when the message was taken. */
export interface HeaderDecisions {
  readonly mailbox: string;
  readonly rewriteFrom: boolean;
  /** Whether `markingFields` are added. */
  readonly mark: boolean;
}

export interface Mended {
  /** ASCII, every line ended by CRLF, without the empty line. */
  readonly text: string;
  /** Sentences for the operator, each naming the field. */
  readonly remarks: readonly string[];
}

/** Fields that a message may have once at most (RFC 5322 3.6, RFC 2045); the lists are joined, of the others the first counts. */
const onceAtMost = new Set(
  'subject message-id date in-reply-to references mime-version content-type content-transfer-encoding content-disposition content-id sender'.split(
    ' ',
  ),
);
const lists = new Set(['from', 'to', 'cc', 'reply-to', 'sender']);
const identifiers = new Set(['message-id', 'in-reply-to', 'references']);

/** Never throws. The text passes the bridge's own checks of a raw message. */
export function mendHeader(fields: readonly Field[], decisions: HeaderDecisions): Mended {
  const mender = new HeaderMender(decisions);
  if (decisions.mark) mender.write(markingFields);
  if (decisions.rewriteFrom) mender.rewriteFrom(fields);
  const seen = new Set<string>();
  for (const field of fields) {
    if (seen.has(field.name) && (lists.has(field.name) || onceAtMost.has(field.name))) {
      if (field.name !== 'from' && !lists.has(field.name)) {
        mender.remark(`${field.label} is there more than once; the first was kept.`);
      }
      continue;
    }
    seen.add(field.name);
    mender.field(field, fields);
  }
  return { text: mender.text, remarks: mender.remarks };
}

class HeaderMender {
  readonly #decisions: HeaderDecisions;
  readonly #remarks: string[] = [];
  #text = '';

  constructor(decisions: HeaderDecisions) {
    this.#decisions = decisions;
  }

  get text(): string {
    return this.#text;
  }

  get remarks(): readonly string[] {
    return this.#remarks;
  }

  remark(sentence: string): void {
    if (this.#remarks.length < 50 && !this.#remarks.includes(sentence)) this.#remarks.push(sentence);
  }

  write(text: string): void {
    this.#text += text;
  }

  /** From becomes the mailbox, the name stays, and answers still reach who wrote it. */
  rewriteFrom(fields: readonly Field[]): void {
    const { mailbox } = this.#decisions;
    const read = readFrom(fields);
    const from = read.kind === 'read' ? read.from : undefined;
    this.#text += `From: ${renderPerson({ phrase: from?.phrase ?? '', address: mailbox })}\r\n`;
    if (from === undefined) {
      this.remark('From was missing; the mailbox of MAIL FROM was written.');
      return;
    }
    this.remark(
      'From was no mailbox of the bridge; the mailbox was written and the address moved to Reply-To.',
    );
    if (valueOf(fields, 'reply-to') === undefined && parseAddress(from.address).kind === 'ok') {
      this.#text += `Reply-To: ${renderPerson(from)}\r\n`;
    }
  }

  field(field: Field, all: readonly Field[]): void {
    const { name, label } = field;
    // Bcc is in the envelope; Return-Path is written by the last server.
    if (name === 'bcc' || name === 'return-path') return;
    if (name.startsWith('resent-') || name.startsWith('x-mail-bridge-')) {
      this.remark(`${label} was removed.`);
      return;
    }
    if (name === 'from' && this.#decisions.rewriteFrom) return;
    if (lists.has(name)) this.#addresses(field, all);
    else if (identifiers.has(name)) this.#identifiers(field);
    else this.#other(field);
  }

  #addresses(field: Field, all: readonly Field[]): void {
    const { name, label } = field;
    const same = all.filter((other) => other.name === name);
    const value = (name === 'from' ? [field] : same).map((one) => one.value).join(', ');
    if (value === '') return;
    const list = parseAddressList(value);
    if (name === 'sender' && !this.#isOwn(list)) {
      this.remark('Sender was not the mailbox and was removed.');
      return;
    }
    const isPlain =
      same.length === 1 &&
      list.kind === 'ok' &&
      !list.hasSemicolons &&
      !list.people.some(isUnusable) &&
      (!list.hasGroup || list.people.length === 0) &&
      list.people.every(({ phrase }) => phrase === renderPhrase(phrase));
    if (isPlain && !hasTrouble(field.text)) {
      this.#text += field.text;
      return;
    }
    if (same.length > 1 && name !== 'from') this.remark(`${label} was there more than once and was joined.`);
    if (list.kind === 'unclear') {
      this.remark(`${label} could not be read and was replaced; the recipients are those of the envelope.`);
      if (name === 'to') this.#text += 'To: undisclosed-recipients:;\r\n';
      return;
    }
    if (list.hasGroup && list.people.length > 0)
      this.remark(`${label} had a group; its members were written.`);
    if (list.hasSemicolons)
      this.remark(`${label} had semicolons between its addresses; commas were written.`);
    if (isEightBit(value)) this.remark(`${label} had characters outside ASCII and was encoded.`);
    const usable = list.people.filter((one) => !isUnusable(one));
    if (usable.length < list.people.length) {
      this.remark(`${label} named an address that can't be written in a header; it was left out.`);
    }
    if (usable.length > 0) {
      this.#text += `${label}: ${usable.map(renderPerson).join(',\r\n ')}\r\n`;
    } else if (name === 'to') this.#text += 'To: undisclosed-recipients:;\r\n';
  }

  #isOwn(list: AddressList): boolean {
    if (list.kind === 'unclear' || list.hasGroup || list.people.length !== 1) return false;
    return sameAddress(list.people[0]?.address ?? '', this.#decisions.mailbox);
  }

  #identifiers({ name, label, value, text }: Field): void {
    const ids = value.split(/\s+/).filter((id) => id !== '');
    const good = ids.filter(isMessageId);
    if (good.length === ids.length && !hasTrouble(text) && (name !== 'message-id' || good.length === 1)) {
      if (good.length > 0) this.#text += text;
      return;
    }
    const kept = good.slice(0, name === 'message-id' ? 1 : 100);
    this.remark(
      `${label} had parts that are no Message-ID of at most ${messageIdBytes} characters; they were removed.`,
    );
    if (kept.length > 0) this.#text += `${label}: ${kept.join('\r\n ')}\r\n`;
  }

  #other(field: Field): void {
    const mended = mendField(field);
    for (const sentence of mended.remarks) this.remark(sentence);
    this.#text += mended.text;
  }
}

/** A field that is no list of addresses, of a message or of a part. `text` is '' if it can't be written at all. */
export function mendField({ name, label, value, text }: Field): Mended {
  if (!hasTrouble(text)) return { text, remarks: [] };
  const remarks: string[] = [];
  let clean = value;
  if (hasControl(value)) {
    remarks.push(`${label} had control characters; they were removed.`);
    clean = value.replace(controls, ' ').trim();
  }
  if (isEightBit(clean)) {
    remarks.push(`${label} had characters outside ASCII and was encoded.`);
    clean = name.startsWith('content-') ? encodeParameters(clean) : encodeWords(decodedField(clean));
  }
  const folded = fold(`${label}: ${clean}`);
  if (folded !== undefined) {
    if (remarks.length === 0)
      remarks.push(`${label} had a line longer than ${lineMostBytes} bytes and was folded.`);
    return { text: `${folded}\r\n`, remarks };
  }
  if (name.startsWith('content-')) {
    const bare = /^[\w.+-]+(?:\/[\w.+-]+)?/.exec(clean)?.[0];
    return {
      text: bare === undefined ? '' : `${label}: ${bare}\r\n`,
      remarks: [
        ...remarks,
        `${label} had a line longer than ${lineMostBytes} bytes; its parameters were removed.`,
      ],
    };
  }
  return {
    text: `${label}: ${encodeWords(clean)}\r\n`,
    remarks: [...remarks, `${label} had a line longer than ${lineMostBytes} bytes and was encoded.`],
  };
}

/** Tab is allowed in a field's text. */
const controls = /[\u0000-\u0008\u000b-\u000c\u000e-\u001f\u007f]/g;

function hasControl(value: string): boolean {
  return value.search(controls) >= 0;
}

function hasTrouble(text: string): boolean {
  return (
    isEightBit(text) || hasControl(text) || text.split('\r\n').some((line) => line.length > lineMostBytes)
  );
}

/** Folded at white space into lines of at most 998 characters, or undefined if a word is longer. */
function fold(text: string): string | undefined {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/[ \t]+|\r\n[ \t]*/)) {
    if (word.length > lineMostBytes - 1) return undefined;
    if (line !== '' && line.length + 1 + word.length > 78) {
      lines.push(line);
      line = ` ${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\r\n');
}

/** Parameters with characters outside ASCII, as RFC 2231 writes them: `filename*=utf-8''…`. */
function encodeParameters(value: string): string {
  const encoded = value.replace(
    /([A-Za-z0-9-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/g,
    (whole, name: string, quoted?: string, bare?: string) =>
      isEightBit(whole)
        ? `${name}*=utf-8''${percent(textOfBytes((quoted ?? bare ?? '').replace(/\\(.)/g, '$1')))}`
        : whole,
  );
  // What is still there stands outside any parameter, where nothing can encode it.
  return encoded.replace(/[^\u0000-\u007f]+/g, '');
}

function percent(text: string): string {
  return encodeURIComponent(text).replace(
    /['()*!~]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  );
}

/** Addresses that no header can hold; the envelope says who gets the message. */
function isUnusable({ address }: Named): boolean {
  return parseAddress(address).kind === 'refused';
}

function renderPerson({ phrase, address }: Named): string {
  const name = renderPhrase(phrase);
  return name === '' ? address : `${name} <${address}>`;
}

const words = /^(?:"(?:[^"\\\r\n]|\\[\x20-\x7e])*"|[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]+|[ \t]+)*$/;

/** As it stands if it is one reading for everybody; otherwise quoted, or encoded if it is not ASCII. */
function renderPhrase(phrase: string): string {
  if (phrase === '' || (!isEightBit(phrase) && words.test(phrase) && !hasControl(phrase))) {
    if (phrase.length <= lineMostBytes - 400) return phrase;
  }
  const text = phrase.replace(/"((?:[^"\\]|\\.)*)"/g, (_, inner: string) => inner.replace(/\\(.)/g, '$1'));
  const decoded = decodedField(text).replace(controls, ' ').trim().slice(0, 256);
  return isEightBit(decoded) ? encodeWords(decoded) : `"${decoded.replace(/["\\]/g, '\\$&')}"`;
}
