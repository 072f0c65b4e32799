// A complete message that ESM hands over (`raw.blob`): read strictly, and rebuilt.
//
// What is ambiguous is refused, with the remedy for its author: a second From, a sender that is not the mailbox's, Resent
// fields (they carry recipients of their own), fields of the bridge, lines that no server must accept.
// What has one meaning is corrected: line ends become CRLF; header lines of white space only, Bcc, Return-Path and the
// Sender of another are removed; Message-ID and Date come from the stamp if the message has none. Everything else is kept byte for byte: the body is not parsed.
import { decodedField } from '../classify/decodeText.ts';
import { bufferOf } from '../mail/foreign.ts';
import { eachOnce, parseAddress, sameAddress } from '../mail/address.ts';
import { isMessageId } from '../mail/messageId.ts';
import type { Stamp } from '../outbound/ports.ts';
import { wireTrouble, withCrlf, withoutBlankHeaderLines, type WireTrouble } from './mimeChecks.ts';

/** Reads an address field: its addresses in order, those within groups too; and whether there is any group. */
export type ReadAddresses = (value: string) => {
  readonly addresses: readonly string[];
  readonly hasGroup: boolean;
};

export interface RawField {
  /** In lower case. */
  readonly name: string;
  /** Unfolded, trimmed. */
  readonly value: string;
  /** As it was, with its folds and its last CRLF. */
  readonly text: string;
}

export interface RawMessage {
  readonly fields: readonly RawField[];
  /** From the empty line on. */
  readonly body: Uint8Array;
}

export type RawAnswer<Value> =
  | { readonly kind: 'ok'; readonly value: Value }
  /** The ends of sentences that begin with the field's name. */
  | { readonly kind: 'refused'; readonly detail: readonly [string, ...string[]] };

const headerMostBytes = 512 * 1024;
const fieldsMostCount = 1_000;

/** Fields that a message may have once at most (RFC 5322 3.6). */
const onceAtMost = [
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'message-id',
  'in-reply-to',
  'references',
  'date',
  'subject',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
];

/** The header's fields and the body, or why this message can't be sent. */
export function readRawMessage(bytes: Uint8Array): RawAnswer<RawMessage> {
  const clean = withoutBlankHeaderLines(withCrlf(bytes), headerMostBytes);
  const trouble = wireTrouble(clean);
  if (trouble !== undefined) return refused(wireDetail(trouble));
  const whole = bufferOf(clean);
  const end = whole.subarray(0, 2).equals(crlf) ? 0 : whole.indexOf('\r\n\r\n') + 2;
  const headerEnd = end === 1 ? whole.length : end;
  if (headerEnd > headerMostBytes) {
    return refused(`has a header of ${headerEnd} bytes; at most ${headerMostBytes} are allowed`);
  }
  const fields = readFields(whole.subarray(0, headerEnd).toString('latin1'));
  if (fields === undefined) {
    return refused('has a line in its header that is not a field; write a message as RFC 5322 describes it');
  }
  if (fields.length > fieldsMostCount) {
    return refused(`has ${fields.length} header fields; at most ${fieldsMostCount} are allowed`);
  }
  const body = headerEnd === whole.length ? crlf : whole.subarray(headerEnd);
  return { kind: 'ok', value: { fields, body } };
}

/** Everything that is wrong with it as a message of this mailbox, whose addresses `senders` are; empty if nothing is. */
export function rawProblems(
  { fields }: RawMessage,
  senders: readonly string[],
  readAddresses: ReadAddresses,
): readonly string[] {
  const problems = onceAtMost
    .filter((name) => valuesOf(fields, name).length > 1)
    .map((name) => `has ${valuesOf(fields, name).length} ${name} fields; leave one`);
  const [from] = valuesOf(fields, 'from');
  if (from === undefined) problems.push('has no From field; write the address of the mailbox');
  else if (!isOneOf(from, senders, readAddresses)) {
    problems.push(
      `has a From that is not the address of the mailbox, or not that alone; write one of: ${listed(senders)}`,
    );
  }
  if (fields.some(({ name }) => name.startsWith('resent-'))) {
    problems.push('has Resent fields; remove them');
  }
  if (fields.some(({ name }) => name.startsWith('x-mail-bridge-'))) {
    problems.push("has one of the bridge's own header fields (X-Mail-Bridge-...); remove it");
  }
  const [id] = valuesOf(fields, 'message-id');
  if (id !== undefined && !isMessageId(id)) {
    problems.push(
      'has an invalid Message-ID; write <...> in printable ASCII without blanks, or leave it out',
    );
  }
  return problems;
}

/** The recipients in its own To, Cc and Bcc, each once; or why they are ambiguous. */
export function rawRecipients(
  { fields }: RawMessage,
  readAddresses: ReadAddresses,
): RawAnswer<readonly string[]> {
  const found: string[] = [];
  for (const name of ['to', 'cc', 'bcc']) {
    for (const value of valuesOf(fields, name)) {
      // An obsolete form (RFC 5322 4.4) that some readers take for its first host.
      if (/<\s*@/.test(value)) return refused(`has a route in its ${name} field; write the bare address`);
      const { addresses, hasGroup } = readAddresses(value);
      // `undisclosed-recipients:;` is a group without members.
      if (hasGroup && addresses.length > 0) {
        return refused(`has a group in its ${name} field; name its members one by one`);
      }
      for (const address of addresses) {
        const read = parseAddress(address);
        if (read.kind === 'refused')
          return refused(`has an address in its ${name} field that ${read.detail}`);
        found.push(read.address);
      }
    }
  }
  return { kind: 'ok', value: eachOnce(found) };
}

/** Its own Message-ID, if it has one. */
export function rawMessageId({ fields }: RawMessage): string | undefined {
  return valuesOf(fields, 'message-id')[0];
}

/** Decoded, without line breaks; undefined if there is none. */
export function rawSubject({ fields }: RawMessage): string | undefined {
  const [value] = valuesOf(fields, 'subject');
  return value === undefined ? undefined : decodedField(value);
}

/** It has a Sender that is none of the mailbox's addresses: dropped, since Exchange would refuse it. */
export function hasForeignSender(
  { fields }: RawMessage,
  senders: readonly string[],
  readAddresses: ReadAddresses,
): boolean {
  return valuesOf(fields, 'sender').some((value) => !isOneOf(value, senders, readAddresses));
}

/** The message as it is sent. */
export function rebuildRawMessage(
  { fields, body }: RawMessage,
  senders: readonly string[],
  stamp: Stamp,
  readAddresses: ReadAddresses,
): Uint8Array {
  const isForeignSender = hasForeignSender({ fields, body }, senders, readAddresses);
  const has = (name: string): boolean => fields.some((field) => field.name === name);
  const added = [
    ...(has('message-id') ? [] : [`Message-ID: ${stamp.messageId}\r\n`]),
    ...(has('date') ? [] : [`Date: ${new Date(stamp.dateMs).toUTCString().replace('GMT', '+0000')}\r\n`]),
  ];
  const dropped = ['bcc', 'return-path', ...(isForeignSender ? ['sender'] : [])];
  const kept = fields.filter(({ name }) => !dropped.includes(name)).map(({ text }) => text);
  return Buffer.concat([privateFields(stamp), Buffer.from([...added, ...kept].join(''), 'latin1'), body]);
}

/** What identifies our own copy in Sent Items and in bounces; each in one line, since it is compared as it is. */
export function privateFields({ bridgeId, bridgeTag }: Stamp): Buffer {
  return Buffer.from(`X-Mail-Bridge-Id: ${bridgeId}\r\nX-Mail-Bridge-Tag: ${bridgeTag}\r\n`, 'latin1');
}

const crlf = Buffer.from('\r\n');

function readFields(header: string): readonly RawField[] | undefined {
  const fields: RawField[] = [];
  // A CRLF that is not followed by white space ends a field (RFC 5322 2.2.3).
  for (const text of header.split(/(?<=\r\n)(?![ \t])/)) {
    if (text === '') continue;
    const name = /^[\x21-\x39\x3b-\x7e]{1,200}(?=[ \t]*:)/.exec(text)?.[0];
    if (name === undefined) return undefined;
    const value = text
      .slice(text.indexOf(':') + 1)
      .replaceAll('\r\n', '')
      .trim();
    fields.push({ name: name.toLowerCase(), value, text: text.endsWith('\r\n') ? text : `${text}\r\n` });
  }
  return fields;
}

function valuesOf(fields: readonly RawField[], name: string): readonly string[] {
  return fields.filter((field) => field.name === name).map(({ value }) => value);
}

/** One address alone, and one of these. */
function isOneOf(value: string, senders: readonly string[], readAddresses: ReadAddresses): boolean {
  const { addresses, hasGroup } = readAddresses(value);
  const [only, ...others] = addresses;
  if (only === undefined || others.length > 0 || hasGroup) return false;
  return senders.some((sender) => sameAddress(only, sender));
}

const listed = (addresses: readonly string[]): string => addresses.slice(0, 10).join(', ');

function refused(detail: string): { readonly kind: 'refused'; readonly detail: readonly [string] } {
  return { kind: 'refused', detail: [detail] };
}

function wireDetail({ line, what }: WireTrouble): string {
  switch (what) {
    case 'longLine':
      return `has more than 998 bytes in line ${line}; encode that part as quoted-printable or base64`;
    case 'nul':
      return `has a NUL character in line ${line}; encode that part as base64`;
    case 'eightBitHeader':
      return `has a character outside ASCII in line ${line} of its header; encode it (RFC 2047)`;
    case 'blankHeaderLine':
      return `has a line of white space only in its header (line ${line}); remove it`;
    case 'bareCr':
    case 'bareLf':
      return `has a bare CR or LF in line ${line}; end lines with CRLF`;
  }
}
