// FETCH (RFC 3501 6.4.5): its items, parsed, and what a message comes to for each of them.
import { Content, headerFields } from './content.ts';
import type { ImapQuirks } from './quirks.ts';
import { formatEnvelope, formatStructure } from './imapStructure.ts';
import { formatInternalDate } from './imapSyntax.ts';
import type { Token } from './imapSyntax.ts';
import type { StoredMessage } from './mailStore.ts';
import { parseMime, partAt } from './mimeStructure.ts';

export interface Section {
  readonly path: readonly number[];
  readonly what: '' | 'HEADER' | 'TEXT' | 'MIME' | 'HEADER.FIELDS' | 'HEADER.FIELDS.NOT';
  readonly names: readonly string[];
}

export type Item =
  | {
      readonly kind: 'UID' | 'FLAGS' | 'INTERNALDATE' | 'RFC822.SIZE' | 'ENVELOPE' | 'BODY' | 'BODYSTRUCTURE';
    }
  | {
      readonly kind: 'section';
      readonly section: Section;
      readonly start?: number;
      readonly length?: number;
      /** Does reading it set \Seen? */
      readonly peek: boolean;
      /** As it is printed before the literal. */
      readonly label: string;
    };

const macros: Readonly<Record<string, readonly string[]>> = {
  FAST: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE'],
  ALL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE'],
  FULL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY'],
};
const whole: Section = { path: [], what: '', names: [] };
const older: Readonly<Record<string, Item>> = {
  RFC822: { kind: 'section', section: whole, peek: false, label: 'RFC822' },
  'RFC822.HEADER': {
    kind: 'section',
    section: { ...whole, what: 'HEADER' },
    peek: true,
    label: 'RFC822.HEADER',
  },
  'RFC822.TEXT': { kind: 'section', section: { ...whole, what: 'TEXT' }, peek: false, label: 'RFC822.TEXT' },
};

/** The items that were asked for, or undefined if one is unknown (CONDSTORE's MODSEQ is, on Exchange). */
export function parseItems(token: Token | undefined): readonly Item[] | undefined {
  if (token === undefined || token.kind === 'literal') return undefined;
  const tokens = token.kind === 'list' ? token.items : [token];
  const names = tokens.flatMap((one) => (one.kind === 'text' ? [one.value] : []));
  if (names.length !== tokens.length || names.length === 0) return undefined;
  const [first = ''] = names;
  const items = (macros[first.toUpperCase()] ?? names).map(parseItem);
  return items.every((item) => item !== undefined) ? items : undefined;
}

function parseItem(name: string): Item | undefined {
  const upper = name.toUpperCase();
  switch (upper) {
    case 'UID':
    case 'FLAGS':
    case 'INTERNALDATE':
    case 'RFC822.SIZE':
    case 'ENVELOPE':
    case 'BODY':
    case 'BODYSTRUCTURE':
      return { kind: upper };
    default:
      return older[upper] ?? parseSectionItem(name);
  }
}

function parseSectionItem(name: string): Item | undefined {
  const [, peek, inside = '', start, length] =
    /^BODY(\.PEEK)?\[([^\]]*)\](?:<(\d+)\.(\d+)>)?$/i.exec(name) ?? [];
  const found =
    /^((?:\d+\.?)*)(HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME|)(?: \(([^)]*)\))?$/i.exec(inside);
  if (!name.toUpperCase().startsWith('BODY') || !name.includes('[') || found === null) return undefined;
  const [, numbers = '', what = '', names] = found;
  const kind = what.toUpperCase() as Section['what'];
  if (kind.startsWith('HEADER.FIELDS') !== (names !== undefined)) return undefined;
  const path = numbers
    .split('.')
    .filter((one) => one !== '')
    .map(Number);
  if (kind === 'MIME' && path.length === 0) return undefined;
  const section = {
    path,
    what: kind,
    names: (names ?? '')
      .split(' ')
      .filter((one) => one !== '')
      .map(unquote),
  };
  return {
    kind: 'section',
    section,
    peek: peek !== undefined,
    label: `BODY[${inside}]${start === undefined ? '' : `<${start}>`}`,
    ...(start === undefined ? {} : { start: Number(start), length: Number(length) }),
  };
}

function unquote(name: string): string {
  return name.replace(/^"(.*)"$/, '$1');
}

/** A piece of the response: text, or bytes that are sent as a literal. */
export type AnswerPiece = string | { readonly label: string; readonly content: Content };

/**
 * The items of one message in the order in which Exchange prints them, which is not the order asked for: the size
 * first, the UID last. `content` is what this session sees of the message.
 */
export function answer(
  items: readonly Item[],
  message: StoredMessage,
  content: Content,
  quirks: ImapQuirks,
): readonly AnswerPiece[] {
  const structure = lazily(() => parseMime(content));
  const print = (item: Item): AnswerPiece => {
    switch (item.kind) {
      case 'UID':
        return `UID ${message.uid}`;
      case 'FLAGS':
        return `FLAGS (${[...message.flags].join(' ')})`;
      case 'INTERNALDATE':
        return `INTERNALDATE ${formatInternalDate(message.internalDate)}`;
      case 'RFC822.SIZE':
        return `RFC822.SIZE ${sizeOf(message, content, quirks)}`;
      case 'ENVELOPE':
        return `ENVELOPE ${formatEnvelope(headerFields(content))}`;
      case 'BODY':
        return `BODY ${formatStructure(structure(), false, quirks.malformedBodyStructure)}`;
      case 'BODYSTRUCTURE':
        return `BODYSTRUCTURE ${formatStructure(structure(), true, quirks.malformedBodyStructure)}`;
      case 'section': {
        const bytes = sectionOf(item.section, content, structure);
        const { start, length = 0, label } = item;
        if (bytes === undefined || message.unreadable === 'nil') return `${label} NIL`;
        if (message.unreadable === 'emptyString') return `${label} ""`;
        if (start === undefined) return { label, content: bytes };
        if (quirks.ignoresPartial) return { label: label.replace(/<\d+>$/, ''), content: bytes };
        const fault = quirks.partFaults.find((one) => one.uid === message.uid && one.start === start);
        if (fault?.gives === 'nil') return `${label} NIL`;
        return { label, content: bytes.part(start, Math.min(length, fault?.gives ?? length)) };
      }
    }
  };
  const rank = (item: Item): number => (item.kind === 'RFC822.SIZE' ? 0 : item.kind === 'UID' ? 2 : 1);
  return [...items].sort((a, b) => rank(a) - rank(b)).map(print);
}

/** The size of the item, whatever of it is given. */
function sizeOf(message: StoredMessage, content: Content, quirks: ImapQuirks): number {
  if (quirks.toldSize !== undefined) return quirks.toldSize;
  const { sizeBytes } = message.unreadable === undefined ? content : message.content;
  return quirks.exactSize ? sizeBytes : estimate(sizeBytes);
}

/** Exchange answers RFC822.SIZE from the store, if the message is not MIME: near, never right. */
function estimate(sizeBytes: number): number {
  return Math.ceil(sizeBytes * 1.03) + 151;
}

function sectionOf(
  section: Section,
  content: Content,
  structure: () => ReturnType<typeof parseMime>,
): Content | undefined {
  const { path, what, names } = section;
  if (path.length === 0) {
    if (what === '') return content;
    const header = content.header();
    if (what === 'TEXT') return content.part(header.sizeBytes, content.sizeBytes);
    return what === 'HEADER' ? header : chosen(header, names, what === 'HEADER.FIELDS.NOT');
  }
  const part = partAt(structure(), path);
  if (part === undefined) return undefined;
  if (what === 'MIME') return part.header;
  if (what === '') return part.body;
  // HEADER and TEXT of a part are those of the message it holds (RFC 3501 6.4.5).
  if (part.inner === undefined) return undefined;
  if (what === 'TEXT') return part.inner.body;
  return what === 'HEADER'
    ? part.inner.header
    : chosen(part.inner.header, names, what === 'HEADER.FIELDS.NOT');
}

function chosen(header: Content, names: readonly string[], others: boolean): Content {
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  const fields = headerFields(header).filter(({ name }) => wanted.has(name.toLowerCase()) !== others);
  return new Content([Buffer.from(`${fields.map(({ raw }) => raw).join('')}\r\n`, 'latin1')]);
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
