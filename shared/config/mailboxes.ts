// MAILBOXES: a JSON array of the mailboxes that the bridge serves.
import { present } from '../mail/omit.ts';
import { headerTextTrouble } from '../mail/headerText.ts';
import { parseAddress, sameAddress } from '../mail/address.ts';
import { readDeliver, type Deliver } from '../mail/deliver.ts';
import { isRecord } from '../mail/foreign.ts';
import {
  sortedKinds,
  type AfterFetch,
  type FailureReports,
  type FetchFrom,
  type Limits,
  type Mailbox,
} from '../mail/mailbox.ts';
import { joinPath, kindOf, quoteBriefly } from '../mail/quote.ts';
import type { Problems, SettingsReader } from './problems.ts';
import { mailboxSettings } from './settingsTable.ts';

/** One run over all of them must fit one invocation, and their settings a template. */
export const mailboxesCount = 100;

/** What Exchange Online allows one account (learn.microsoft.com, SMTP AUTH client submission). */
export const exchangeLimits: Limits = { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 };

/** A mailbox's fields as docs/settings.md shows them. */
export const mailboxFields: Readonly<
  Record<Exclude<keyof Mailbox, 'afterFetchByKind'>, { readonly default: string; readonly what: string }>
> = {
  address: { default: 'required', what: 'The address.' },
  signIn: {
    default: '`delegated`',
    what: '`delegated`: a person connects it once in a browser; `application`: the app signs in by itself.',
  },
  aliases: {
    default: 'none',
    what: 'Other addresses that `from` may name: proxy addresses of the mailbox (`Set-OrganizationConfig -SendFromAliasEnabled $true`), or addresses that it may send as. A list.',
  },
  fromName: { default: 'none', what: 'The display name of From, if a submission gives none.' },
  imapUser: { default: 'the address', what: 'Who logs in to IMAP.' },
  smtpUser: {
    default: 'the address',
    what: 'Who logs in to SMTP. A shared mailbox names its delegate here; mailboxes with the same one share its limits.',
  },
  send: { default: '`true`', what: 'Whether submissions may name it.' },
  receive: { default: '`true`', what: 'Whether its mail is fetched.' },
  folder: { default: '`INBOX`', what: 'The folder that is fetched.' },
  afterFetch: {
    default: '`none`',
    what: '`none`, `seen`, `delete` or `move:FOLDER`: what happens to a message once its content and notice are durable. Or one of these for each kind of mail: `{"message":"move:INBOX","bounce":"move:Bounces"}`; kinds are `message`, `autoReply`, `bounce`, `complaint`, `receipt`, `unparsed`, and one that is not named is treated as `message`.',
  },
  fetchFrom: {
    default: '`now`',
    what: '`now`: mail that comes after the first fetch that knows the mailbox; `all`: what is there already, too; or a date such as `2026-11-27`, from its beginning (UTC). Older mail is neither announced nor touched.',
  },
  deliver: {
    default: '`live`',
    what: 'Safe mode, for a service desk that is a copy of production. `hold`: everything is accepted and nothing is sent; `{"redirect":"tester@example.com","allow":["@example.com"]}`: recipients that `allow` does not name are replaced by `redirect`.',
  },
  failureReports: {
    default: '`{"folder":"INBOX","autoSubmitted":true}`',
    what: 'Where a report goes if mail fails that came through the SMTP intake, so that ESM files it on the ticket: a folder of this mailbox (IMAP must be on, also with `receive` off), and whether the report has `Auto-Submitted: auto-replied`. `"off"`: no reports.',
  },
  limits: {
    default: '`{"messagesPerMinute":30,"recipientsPerDay":10000,"connections":3}`',
    what: "Exchange's limits, or less, each by itself: less where other programs send with the same account.",
  },
};

/** Reads MAILBOXES and its continuations. A faulty one is left out of the answer and reported. */
export function readMailboxes(problems: SettingsReader): readonly Mailbox[] {
  const mailboxes: Mailbox[] = [];
  let count = 0;
  for (const name of mailboxSettings) {
    const text = problems.text(name);
    if (text === undefined) {
      if (name === 'MAILBOXES')
        problems.add(name, 'is missing; write [{"address":"desk@example.com","signIn":"delegated"}]');
      continue;
    }
    for (const [index, written] of readArray(text, name, problems).entries()) {
      count += 1;
      if (count > mailboxesCount) break;
      const place = new JsonPath(problems, name, `${name}[${index}]`);
      const mailbox = readMailbox(written, place);
      const twin = mailboxes.find(
        ({ address }) => mailbox !== undefined && sameAddress(address, mailbox.address),
      );
      if (twin !== undefined)
        place.add(
          '.address',
          `is there twice (${quoteBriefly(twin.address)}; addresses are compared without regard to case); remove one`,
        );
      else if (mailbox !== undefined) mailboxes.push(mailbox);
    }
  }
  if (count > mailboxesCount) {
    problems.add(
      'MAILBOXES',
      `has more than ${mailboxesCount} mailboxes; run a second deployment for the others`,
    );
  }
  return mailboxes;
}

function readArray(text: string, name: string, problems: Problems): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const place = /position ([0-9]+)/.exec(error instanceof Error ? error.message : '')?.[1];
    problems.add(
      name,
      `is not valid JSON${place === undefined ? '' : ` at character ${place}`}; write [{"address":"desk@example.com","signIn":"delegated"}]`,
    );
    return [];
  }
  if (Array.isArray(value) && value.length > 0) return value;
  problems.add(
    name,
    `must be a list with at least one mailbox, and is ${Array.isArray(value) ? 'empty' : kindOf(value)}; write [{"address":"desk@example.com","signIn":"delegated"}]`,
  );
  return [];
}

/** A path in the JSON, for problems. */
class JsonPath {
  readonly #problems: Problems;
  readonly #setting: string;
  readonly #path: string;

  constructor(problems: Problems, setting: string, path: string) {
    this.#problems = problems;
    this.#setting = setting;
    this.#path = path;
  }

  add(field: string, detail: string): void {
    this.#problems.add(this.#setting, detail, `${this.#path}${field}`);
  }
}

function readMailbox(written: unknown, place: JsonPath): Mailbox | undefined {
  if (!isRecord(written)) {
    place.add('', `must be an object such as {"address":"desk@example.com"}, and is ${kindOf(written)}`);
    return undefined;
  }
  refuseUnknown(written, Object.keys(mailboxFields), '', place);
  const address = readUser(written, 'address', undefined, place);
  if (address === undefined) return undefined;
  const send = readFlag(written, 'send', place);
  const receive = readFlag(written, 'receive', place);
  if (!send && !receive)
    place.add('', 'neither sends nor receives; set one of the two to true, or remove the mailbox');
  const folder = readFolder(written, place);
  const aliases = readAliases(written, address, place);
  const fromName = readFromName(written, place);
  return {
    address,
    ...(aliases.length === 0 ? {} : { aliases }),
    ...present({ fromName }),
    signIn: readSignIn(written, place),
    imapUser: readUser(written, 'imapUser', address, place) ?? address,
    smtpUser: readUser(written, 'smtpUser', address, place) ?? address,
    send,
    receive,
    folder,
    ...readActions(written, folder, place),
    fetchFrom: readFetchFrom(written, place),
    ...deliverOf(readDeliverField(written, place)),
    ...present({ failureReports: readFailureReports(written, place) }),
    limits: readLimits(written, place),
  };
}

function refuseUnknown(
  written: Readonly<Record<string, unknown>>,
  known: readonly string[],
  path: string,
  place: JsonPath,
): void {
  for (const name of Object.keys(written).slice(0, 50)) {
    if (known.includes(name)) continue;
    const near = known.find((other) => other.toLowerCase() === name.toLowerCase().replace(/[-_]/g, ''));
    place.add(
      `${path}.${joinPath('', name)}`,
      near === undefined
        ? `is not a field; the fields are ${known.join(', ')}`
        : `is not a field; write ${near}`,
    );
  }
}

function readUser(
  written: Readonly<Record<string, unknown>>,
  field: 'address' | 'imapUser' | 'smtpUser',
  fallback: string | undefined,
  place: JsonPath,
): string | undefined {
  // A template may write null for what it leaves out.
  const value = written[field] ?? fallback;
  if (typeof value !== 'string') {
    place.add(
      `.${field}`,
      value === undefined
        ? 'is missing; write the address of the mailbox'
        : `must be an address, and is ${kindOf(value)}`,
    );
    return undefined;
  }
  const answer = parseAddress(value.trim());
  if (answer.kind === 'ok') return answer.address;
  place.add(`.${field}`, answer.detail);
  return undefined;
}

const aliasesMostCount = 50;

function readAliases(
  written: Readonly<Record<string, unknown>>,
  address: string,
  place: JsonPath,
): readonly string[] {
  const value = written['aliases'] ?? [];
  if (!Array.isArray(value)) {
    place.add(
      '.aliases',
      `must be a list of addresses such as ["help@example.com"], and is ${kindOf(value)}`,
    );
    return [];
  }
  if (value.length > aliasesMostCount) {
    place.add('.aliases', `has ${value.length} addresses; at most ${aliasesMostCount} are allowed`);
    return [];
  }
  const aliases: string[] = [];
  for (const [index, one] of value.entries()) {
    const field = `.aliases[${index}]`;
    const read: unknown = one;
    const answer = typeof read === 'string' ? parseAddress(read.trim()) : undefined;
    if (answer === undefined) place.add(field, `must be an address, and is ${kindOf(read)}`);
    else if (answer.kind === 'refused') place.add(field, answer.detail);
    else if (
      !sameAddress(answer.address, address) &&
      !aliases.some((known) => sameAddress(known, answer.address))
    )
      aliases.push(answer.address);
  }
  return aliases;
}

function readFromName(written: Readonly<Record<string, unknown>>, place: JsonPath): string | undefined {
  const value = written['fromName'] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value.trim() === '' || value.length > 256) {
    place.add('.fromName', 'must be a display name of at most 256 characters');
    return undefined;
  }
  const trouble = headerTextTrouble(value);
  if (trouble === undefined) return value.trim();
  place.add('.fromName', trouble);
  return undefined;
}

function readSignIn(written: Readonly<Record<string, unknown>>, place: JsonPath): Mailbox['signIn'] {
  const value = written['signIn'] ?? 'delegated';
  if (value === 'delegated' || value === 'application') return value;
  place.add('.signIn', 'must be "delegated" or "application"');
  return 'delegated';
}

function readFlag(
  written: Readonly<Record<string, unknown>>,
  field: 'send' | 'receive',
  place: JsonPath,
): boolean {
  const value = written[field] ?? true;
  if (typeof value === 'boolean') return value;
  place.add(`.${field}`, `must be true or false, without quotation marks, and is ${kindOf(value)}`);
  return true;
}

function isFolder(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.trim() !== '' &&
    value.length <= 200 &&
    !/[\u0000-\u001f\u007f*%]/.test(value)
  );
}

function readFolder(written: Readonly<Record<string, unknown>>, place: JsonPath): string {
  const value = written['folder'] ?? 'INBOX';
  if (isFolder(value)) return value;
  place.add('.folder', 'must be the name of a folder, of at most 200 characters and without * or %');
  return 'INBOX';
}

/** One action for all mail, or one for each kind. */
function readActions(
  written: Readonly<Record<string, unknown>>,
  folder: string,
  place: JsonPath,
): Pick<Mailbox, 'afterFetch' | 'afterFetchByKind'> {
  const value = written['afterFetch'] ?? 'none';
  if (!isRecord(value)) return { afterFetch: readAction(value, folder, { path: '.afterFetch', place }) };
  const known = ['message', ...sortedKinds];
  for (const name of Object.keys(value)) {
    if (!known.includes(name))
      place.add(`.afterFetch.${name}`, `is no kind of mail; write one of ${known.join(', ')}`);
  }
  if (value['message'] === undefined)
    place.add(
      '.afterFetch',
      'must name "message", the action for mail by persons, which is also that of kinds that are not named',
    );
  const action = (name: string): AfterFetch =>
    readAction(value[name] ?? 'none', folder, { path: `.afterFetch.${name}`, place });
  const named = sortedKinds.filter((kind) => value[kind] !== undefined);
  return {
    afterFetch: action('message'),
    afterFetchByKind: Object.fromEntries(named.map((kind) => [kind, action(kind)])),
  };
}

function readAction(
  value: unknown,
  folder: string,
  { path, place }: { readonly path: string; readonly place: JsonPath },
): AfterFetch {
  if (value === 'none' || value === 'seen' || value === 'delete') return { kind: value };
  const target =
    typeof value === 'string' && value.startsWith('move:') ? value.slice('move:'.length) : undefined;
  if (!isFolder(target)) place.add(path, 'must be "none", "seen", "delete" or "move:FOLDER"');
  else if (target.toLowerCase() === folder.toLowerCase())
    place.add(path, 'moves to the folder that is fetched; name another one');
  else return { kind: 'move', folder: target };
  return { kind: 'none' };
}

function readFetchFrom(written: Readonly<Record<string, unknown>>, place: JsonPath): FetchFrom {
  const value = written['fetchFrom'] ?? 'now';
  if (value === 'now' || value === 'all') return { kind: value };
  if (typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value)) {
    const at = Date.parse(`${value}T00:00:00Z`);
    // The engine reads 31 February as 3 March.
    if (at >= 0 && new Date(at).toISOString().startsWith(value)) return { kind: 'date', at };
  }
  place.add('.fetchFrom', 'must be "now", "all" or a date such as "2026-11-27"');
  return { kind: 'now' };
}

/** `live` is the same as no mode: the rows and lists of most deployments have none. */
const deliverOf = (deliver: Deliver): { readonly deliver?: Exclude<Deliver, 'live'> } =>
  deliver === 'live' ? {} : { deliver };

function readFailureReports(
  written: Readonly<Record<string, unknown>>,
  place: JsonPath,
): FailureReports | undefined {
  const value = written['failureReports'] ?? undefined;
  if (value === undefined || value === 'off') return value;
  if (!isRecord(value)) {
    place.add(
      '.failureReports',
      `must be "off" or an object such as {"folder":"INBOX","autoSubmitted":false}, and is ${kindOf(value)}`,
    );
    return undefined;
  }
  refuseUnknown(value, ['folder', 'autoSubmitted'], '.failureReports', place);
  const { folder = 'INBOX', autoSubmitted = true } = value;
  if (!isFolder(folder))
    place.add(
      '.failureReports.folder',
      'must be the name of a folder, of at most 200 characters and without * or %',
    );
  else if (typeof autoSubmitted !== 'boolean')
    place.add('.failureReports.autoSubmitted', 'must be true or false, without quotation marks');
  else return { folder, autoSubmitted };
  return undefined;
}

/** With a fault the strictest mode: nothing may go out by a slip of the pen. */
function readDeliverField(written: Readonly<Record<string, unknown>>, place: JsonPath): Deliver {
  const read = readDeliver(written['deliver'] ?? 'live');
  if (read.kind === 'ok') return read.deliver;
  place.add(`.deliver${read.path}`, read.detail);
  return 'hold';
}

function readLimits(written: Readonly<Record<string, unknown>>, place: JsonPath): Limits {
  const value = written['limits'] ?? {};
  if (!isRecord(value)) {
    place.add('.limits', `must be an object such as {"messagesPerMinute":20}, and is ${kindOf(value)}`);
    return exchangeLimits;
  }
  refuseUnknown(value, Object.keys(exchangeLimits), '.limits', place);
  const read = (field: keyof Limits): number => {
    const number = value[field] ?? exchangeLimits[field];
    if (
      typeof number === 'number' &&
      Number.isInteger(number) &&
      number >= 1 &&
      number <= exchangeLimits[field]
    )
      return number;
    place.add(
      `.limits.${field}`,
      `must be a whole number from 1 to ${exchangeLimits[field]}, which is what Exchange Online allows`,
    );
    return exchangeLimits[field];
  };
  return {
    messagesPerMinute: read('messagesPerMinute'),
    recipientsPerDay: read('recipientsPerDay'),
    connections: read('connections'),
  };
}
