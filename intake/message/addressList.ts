// An address field (RFC 5322 3.4) read strictly: whoever reads a field in another way than we do mails other people.
// What has two readings is `unclear`, with the reason; nothing is guessed.

/** Somebody named in a field. */
export interface Named {
  /** The display name as it is written, '' if there is none. One character a byte. */
  readonly phrase: string;
  /** What is between the angle brackets, or the bare address; not checked further. */
  readonly address: string;
}

export type AddressList =
  | {
      readonly kind: 'ok';
      readonly people: readonly Named[];
      readonly hasGroup: boolean;
      /** Entries were separated by semicolons, as Outlook shows them and RFC 5322 does not allow. */
      readonly hasSemicolons: boolean;
    }
  /** The end of a sentence that begins with the field's name. */
  | { readonly kind: 'unclear'; readonly detail: string };

/** More than this in one field is not read. */
const peopleMostCount = 5_000;

/** Reads the value of From, To, Cc, Reply-To or Sender, unfolded, one character a byte. Linear in the text. */
export function parseAddressList(value: string): AddressList {
  const people: Named[] = [];
  let hasGroup = false;
  let hasSemicolons = false;
  let inGroup = false;
  let phrase = '';
  let angle: string | undefined;
  let at = 0;

  const finish = (): string | undefined => {
    const words = phrase.trim();
    const address = angle;
    phrase = '';
    angle = undefined;
    if (address !== undefined) people.push({ phrase: words, address });
    else if (words !== '') {
      if (/\s/.test(words) || !words.includes('@')) return 'has an entry without an address';
      people.push({ phrase: '', address: words });
    }
    return people.length > peopleMostCount ? `names more than ${peopleMostCount} people` : undefined;
  };

  while (at < value.length) {
    const character = value[at] ?? '';
    let end = at + 1;
    if (character === '(') {
      end = commentEnd(value, at);
      if (end < 0) return unclear('has a comment without an end');
      // A comment separates words, it never joins them.
      phrase += ' ';
    } else if (character === '"') {
      end = quotedEnd(value, at);
      if (end < 0) return unclear('has a quotation mark without its other half');
      if (angle !== undefined) return unclear('has text between an address and the next comma');
      phrase += value.slice(at, end);
    } else if (character === '<') {
      if (angle !== undefined) return unclear('has two addresses without a comma between them');
      end = angleEnd(value, at);
      if (end < 0) return unclear('has an angle bracket without its other half');
      angle = value.slice(at + 1, end - 1).trim();
      if (angle.startsWith('@')) return unclear('has a route; write the bare address');
    } else if (character === '>') {
      return unclear('has an angle bracket without its other half');
    } else if (character === ',' || character === ';') {
      const trouble = finish();
      if (trouble !== undefined) return unclear(trouble);
      if (character === ';' && !inGroup) hasSemicolons = true;
      if (character === ';') inGroup = false;
    } else if (character === ':') {
      if (inGroup || angle !== undefined || phrase.includes('@'))
        return unclear('has a colon inside an entry');
      inGroup = true;
      hasGroup = true;
      phrase = '';
    } else if (/\s/.test(character)) {
      phrase += ' ';
    } else {
      if (angle !== undefined) return unclear('has text between an address and the next comma');
      phrase += character;
    }
    at = end;
  }
  const trouble = finish();
  return trouble === undefined ? { kind: 'ok', people, hasGroup, hasSemicolons } : unclear(trouble);
}

/** The position behind a quoted string that begins at `from`, or -1. */
function quotedEnd(value: string, from: number): number {
  for (let at = from + 1; at < value.length; at += 1) {
    if (value[at] === '\\') at += 1;
    else if (value[at] === '"') return at + 1;
  }
  return -1;
}

/** The position behind a comment, nested ones included, or -1. */
function commentEnd(value: string, from: number): number {
  let depth = 0;
  for (let at = from; at < value.length; at += 1) {
    if (value[at] === '\\') at += 1;
    else if (value[at] === '(') depth += 1;
    else if (value[at] === ')') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

/** The position behind the closing bracket, or -1 if there is none or another one opens before it. */
function angleEnd(value: string, from: number): number {
  for (let at = from + 1; at < value.length; at += 1) {
    if (value[at] === '<') return -1;
    if (value[at] === '>') return at + 1;
    if (value[at] === '"') {
      const end = quotedEnd(value, at);
      if (end < 0) return -1;
      at = end - 1;
    }
  }
  return -1;
}

function unclear(detail: string): AddressList {
  return { kind: 'unclear', detail };
}
