// Who wrote a message: a person, or a program that answers for a mail server.
//
// What a message says never decides this, because people quote, forward and attach what servers write. What decides is
// the header: a reverse-path that is null, the address of a mail server's daemon, Auto-Submitted (RFC 3834 5),
// X-Failed-Recipients (Exim, Gmail). A Return-Path equal to From, or a subject that begins with a reply or forward
// prefix, says that a person wrote it.
import { decodedField } from './decodeText.ts';
import { withoutComments } from '../mail/comments.ts';
import { field, fieldsNamed, type HeaderField } from '../mail/headers.ts';
import { subjectForms, withReplyPrefix } from './subjectForms.ts';

interface Fields {
  readonly fields: readonly HeaderField[];
}

export interface Origin {
  /**
   * `unattended`: the address of a program (MAILER-DAEMON, Exchange's report address). `attended`: postmaster, which
   * programs and people both write from (RFC 5321 4.5.1 wants a person to read it).
   */
  readonly daemon: 'none' | 'attended' | 'unattended';
  /** The reverse-path is null, as RFC 5321 4.5.5 wants it of every notification. */
  readonly nullPath: boolean;
  /** The keyword of Auto-Submitted in lower case; '' where it is absent or says no. */
  readonly submitted: string;
  readonly failedRecipients: boolean;
  /** The reverse-path is the address in From. */
  readonly ownPath: boolean;
  /** The local part of From says that nobody reads what is sent to it. */
  readonly unread: boolean;
  /** At least one mark of a machine. */
  readonly machine: boolean;
  /** At least one mark of a person, and no address that only programs have. */
  readonly person: boolean;
  /** The subject without leading tags, from the whole to the barest. */
  readonly subjects: readonly string[];
}

export function originOf(mail: Fields): Origin {
  const from = decodedField(fieldsNamed(mail, 'from').join(' ').slice(0, 4_000));
  const paths = fieldsNamed(mail, 'return-path').map((path) => path.trim());
  const nullPath = paths.includes('<>') || emptyAddress.test(from.trim());
  const daemon = daemonOf(from, paths, nullPath);
  const submitted = autoSubmitted(mail);
  const failedRecipients = fieldsNamed(mail, 'x-failed-recipients').some((value) => value.includes('@'));
  const subjects = subjectForms(decodedField(field(mail, 'subject').slice(0, 4_000)));
  const marked = daemon !== 'none' || nullPath || submitted !== '' || failedRecipients;
  const unread = nobodyReads(from);
  const service = serviceNames.test(addressOf(from).split('@')[0] ?? '');
  const ownPath = paths.some((path) => path !== '<>' && samePath(path, from));
  return {
    daemon,
    nullPath,
    submitted,
    failedRecipients,
    ownPath,
    unread,
    machine: marked || unread || service || daemonNames.test(from),
    person:
      daemon !== 'unattended' &&
      (subjects.some(withReplyPrefix) || (ownPath && daemon === 'none' && !service && !unread)),
    subjects,
  };
}

/** `"Mail System" <>`, and `MAILER-DAEMON <>`. */
const emptyAddress = /(?:^|\s)<>$/;

/** The whole local part, with a number or a host's name behind it at most. */
const unattended =
  /(?:^|[\s<"'])(?:mailer[-_.]?daemon|mail[-_.]?daemon|mdaemon|post_master|mail\.delivery\.system|maildeliverysystem|microsoftexchange[0-9a-f]{10,40}|mta)(?:[-+.][\w.-]{1,60})?(?:@|[>"']?\s*$)/i;
const attended = /(?:^|[\s<"'])(?:po?ostmaster|post-master)(?:@|[>"']?\s*$)/i;

/** What programs call themselves. A person may do so as well, so that it counts as a faint mark only. */
const daemonNames =
  /mail(?:er)?[- ]?daemon|mail ?delivery (?:system|subsystem|service)|delivery subsystem|mail server at|microsoft ?exchange|^"?(?:mail |mta |system )?administrator"?\s*<?$|^"?system administrator"?\s*(?:<[^<>@]*>)?$|interscan|mailmarshal/i;

/** Local parts of gateways and filters (`antivirus_gateway`, `smtp-service`, `root`): as faint as a name. */
const serviceNames =
  /(?:^|[_.-])(?:root|smtp|mta|mx|mail[_.-]?(?:service|system|server|gateway|gate|scanner|filter|admin|relay|hub)|mailer|anti[_.-]?(?:virus|spam)|spam[_.-]?filter|virus|gateway|gateways|delivery|daemon|system|exchange|imss|interscan)(?:[_.-]|\d|$)|bounce/i;

function daemonOf(from: string, paths: readonly string[], nullPath: boolean): Origin['daemon'] {
  if ([from, ...paths].some((one) => unattended.test(one))) return 'unattended';
  // The name of a mail system, and no path that an answer could take.
  if (daemonNames.test(from) && nullPath) return 'unattended';
  return [from, ...paths].some((one) => attended.test(one)) ? 'attended' : 'none';
}

/** RFC 3834 5: a keyword, in front of which a comment may stand (RFC 5322 3.2.2). */
export function autoSubmitted(mail: Fields): string {
  const value = withoutComments(field(mail, 'auto-submitted').slice(0, 1_000));
  const keyword = /[a-z][a-z-]*/i.exec(value)?.[0].toLowerCase() ?? '';
  return keyword === 'no' ? '' : keyword;
}

/** The first address of a field, in lower case; '' for none. */
export function addressOf(value: string): string {
  const found =
    /<([^<>\s]{1,320})>/.exec(value)?.[1] ?? /[^\s<>,;:"()]{1,64}@[^\s<>,;:"()]{1,255}/.exec(value)?.[0];
  return (found ?? '').toLowerCase();
}

function samePath(path: string, from: string): boolean {
  const address = addressOf(path);
  return address !== '' && address === addressOf(from);
}

/**
 * An address whose local part says that nobody reads what is sent to it, in any spelling: `no-reply`, `no_reply2`,
 * `do.not.reply`, `eivastausta`, `keine-antwort`, `bounces+kim=example.com`.
 */
export function nobodyReads(from: string): boolean {
  const local = addressOf(from).split('@')[0] ?? '';
  const letters = local.replace(/[^a-z0-9+=]/g, '');
  return silent.some((one) => one.test(letters)) || /^bounces?[-+=_.\d]/.test(local);
}

const silent: readonly RegExp[] = [
  /(?:^|mail|auto|[a-z]{3})(?:no|non|not|dont|donot|never)(?:e?mail)?repl(?:y|ies|ys)(?:to)?[a-z]{0,12}\d*(?:[+=].*)?$/,
  /^(?:no|non|not|dont|donot|never)(?:e?mail)?(?:repl(?:y|ies)|respon(?:d|se)|answer|return)/,
  /^(?:mailer|mail)daemon/,
  /^postmaster\d*$/,
  /^bounces?$/,
  // Finnish, Swedish, Danish and Norwegian.
  /^ei(?:saa)?vasta(?:usta|ta|a|uksia)?/,
  /^(?:svarainte|svaraej|ejsvar|ingetsvar|intesvar|ikkesvar|svarikke|ingensvar|intetsvar|besvarikke|ikkebesvar)/,
  // German, French, Spanish, Portuguese, Italian.
  /^(?:keine?antwort|nichtantworten|bittenichtantworten|antwortenicht|nichtbeantworten)/,
  /^(?:ne)?(?:pas)?(?:de)?(?:nepasrepondre|pasrepondre|nerepondezpas|pasdereponse|sansreponse)/,
  /^(?:noresponder|noresponda|norespuesta|naoresponder|naoresponda|nonrispondere|norisposta)/,
  // Dutch, Polish, Czech, Slovak, Hungarian, Romanian, Estonian, Latvian, Lithuanian.
  /^(?:nietbeantwoorden|nietreageren|geenantwoord|nieodpowiada[cj]|bezodpowiedzi|neodpovida(?:t|jte)|neodpovedajte|nevalaszol|nuraspund|arvasta|mittevastata|neatbild|neatsak)/,
];
