// SEARCH (RFC 3501 6.4.4): its keys as predicates.
import { headerFields, headerValue } from './content.ts';
import type { StoredMessage } from './mailStore.ts';
import { inSet, parseImapDate, parseSet, textOf } from './imapSyntax.ts';
import type { Token } from './imapSyntax.ts';

export interface Candidate {
  readonly sequence: number;
  readonly message: StoredMessage;
}

export interface SearchScope {
  readonly maxSequence: number;
  readonly maxUid: number;
  /** A search in headers finds nothing, as seen on several servers. */
  readonly headersFindNothing: boolean;
}

type Test = (candidate: Candidate) => boolean;
type Instant = (candidate: Candidate) => number;

const dayMs = 86_400_000;
const flagOf: Readonly<Record<string, string>> = {
  SEEN: '\\Seen',
  ANSWERED: '\\Answered',
  FLAGGED: '\\Flagged',
  DELETED: '\\Deleted',
  DRAFT: '\\Draft',
};

/** The test that the keys come to, all of them together; undefined if they make no sense. */
export function parseSearch(tokens: readonly Token[], scope: SearchScope): Test | undefined {
  const rest = [...tokens];
  if (textOf(rest[0])?.toUpperCase() === 'CHARSET') rest.splice(0, 2);
  const tests: Test[] = [];
  while (rest.length > 0) {
    const test = parseKey(rest, scope);
    if (test === undefined) return undefined;
    tests.push(test);
  }
  return tests.length === 0 ? undefined : (candidate) => tests.every((test) => test(candidate));
}

function parseKey(rest: Token[], scope: SearchScope): Test | undefined {
  const token = rest.shift();
  if (token?.kind === 'list') return parseSearch(token.items, scope);
  const key = textOf(token)?.toUpperCase() ?? '';
  const next = (): string | undefined => textOf(rest.shift());
  const flag = flagOf[key.replace(/^UN/, '')];
  if (flag !== undefined) return ({ message }) => message.flags.has(flag) !== key.startsWith('UN');
  switch (key) {
    // RECENT equals EXISTS on Exchange.
    case 'ALL':
    case 'RECENT':
      return () => true;
    case 'NEW':
      return ({ message }) => !message.flags.has('\\Seen');
    case 'OLD':
      return () => false;
    case 'NOT': {
      const test = parseKey(rest, scope);
      return test && ((candidate) => !test(candidate));
    }
    case 'OR': {
      const [one, other] = [parseKey(rest, scope), parseKey(rest, scope)];
      return one && other && ((candidate) => one(candidate) || other(candidate));
    }
    case 'UID': {
      const set = parseSet(next());
      return set && (({ message }) => inSet(set, message.uid, scope.maxUid));
    }
    case 'SINCE':
    case 'BEFORE':
    case 'ON':
      return dated(key, next(), ({ message }) => message.internalDate);
    case 'SENTSINCE':
    case 'SENTBEFORE':
    case 'SENTON':
      return dated(key.slice(4), next(), ({ message }) => Date.parse(header(message, 'Date') ?? ''));
    case 'LARGER':
    case 'SMALLER': {
      const size = Number(next());
      return ({ message }) =>
        key === 'LARGER' ? message.content.sizeBytes > size : message.content.sizeBytes < size;
    }
    case 'KEYWORD':
    case 'UNKEYWORD': {
      const keyword = next() ?? '';
      return ({ message }) => message.flags.has(keyword) === (key === 'KEYWORD');
    }
    case 'HEADER':
      return headerHas(next(), next(), scope);
    case 'FROM':
    case 'TO':
    case 'CC':
    case 'BCC':
    case 'SUBJECT':
      return headerHas(key, next(), scope);
    case 'BODY':
    case 'TEXT': {
      const wanted = (next() ?? '').toLowerCase();
      return ({ message: { content } }) => {
        const from = key === 'BODY' ? content.header().sizeBytes : 0;
        return content.buffer().subarray(from).toString('latin1').toLowerCase().includes(wanted);
      };
    }
    default: {
      const set = parseSet(key);
      return set && (({ sequence }) => inSet(set, sequence, scope.maxSequence));
    }
  }
}

function dated(how: string, text: string | undefined, instant: Instant): Test | undefined {
  const day = parseImapDate(text);
  if (day === undefined) return undefined;
  if (how === 'SINCE') return (candidate) => instant(candidate) >= day;
  if (how === 'BEFORE') return (candidate) => instant(candidate) < day;
  return (candidate) => instant(candidate) >= day && instant(candidate) < day + dayMs;
}

function headerHas(
  name: string | undefined,
  wanted: string | undefined,
  scope: SearchScope,
): Test | undefined {
  if (name === undefined || wanted === undefined) return undefined;
  if (scope.headersFindNothing) return () => false;
  const lower = wanted.toLowerCase();
  return ({ message }) => header(message, name)?.toLowerCase().includes(lower) === true;
}

function header(message: StoredMessage, name: string): string | undefined {
  return headerValue(headerFields(message.content), name);
}
