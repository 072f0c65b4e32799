// Why a recipient was not reached, from the server's words first and its codes second: one code (5.7.1, 5.0.0, 550)
// says a dozen things, and a full mailbox is a 5xx as often as a 4xx.
//
// The phrases are in refusalWords.ts; here is what codes and the moment of the refusal make of them.
import type { Moment } from './bounceText.ts';
import type { BounceReason } from '../contract/classification.ts';
import { refusalWords } from './refusalWords.ts';

export interface Refusal {
  /** The server's words, in any case. */
  readonly text: string;
  /** Enhanced status or ''. */
  readonly status: string;
  readonly replyCode: string;
  /** Where the dialog stood, where it is known: an unknown user after DATA is a filter's answer. */
  readonly command: Moment;
}

/** The address is dead: nobody should write to it again. Where the server is only not taking mail for now, it is not. */
export function isDead(reason: BounceReason, status: string): boolean {
  if (reason === 'notaccept') return !status.startsWith('4');
  return reason === 'userunknown' || reason === 'hostunknown' || reason === 'hasmoved';
}

export function reasonOf(refusal: Refusal): BounceReason {
  const text = readable(refusal.text);
  const telling = tellingStatus.get(refusal.status);
  if (telling !== undefined) return telling;
  const addressCode = /^(?:[45]\.1\.(?:1|10)|5\.1\.[23])$/.test(refusal.status);
  for (const { reason, outright, pattern } of rules) {
    // The code for "no such address" stands unless the words name another cause outright.
    if (addressCode && !outright) continue;
    if (!pattern.test(text)) continue;
    if (reason === 'userunknown') return unknownUser(refusal, text);
    if (reason === 'hostunknown' && refusal.command === 'mail') return 'rejected';
    // A name that can't be found now may be found later; only a permanent answer says that the domain is dead.
    if (reason === 'hostunknown' && refusal.status.startsWith('4')) return 'networkerror';
    return reason;
  }
  if (refusal.command === 'mail' && refusal.replyCode.startsWith('5')) return 'rejected';
  return statusRules.find(([pattern]) => pattern.test(refusal.status))?.[1] ?? byReplyCode(refusal);
}

/**
 * "User unknown" after RCPT, or with the code for it, or in the words of the bouncing server itself, is that. After
 * MAIL it is the sender who is unknown. From a remote server that gives no such code, at an unknown moment or after the
 * content, it is how filters refuse.
 */
function unknownUser({ status, replyCode, command }: Refusal, text: string): BounceReason {
  if (command === 'mail') return 'rejected';
  if (/^[45]\.1\.(?:1|10)$/.test(status) || /doesn't have an? \S+ account/.test(text)) return 'userunknown';
  // `550 : User unknown`, from phones by au: the address was gone from the dialog already.
  if (/\d{3}:? : user unknown/.test(text) || text.includes('msexch:imc')) return 'filtered';
  if (command === 'rcpt' || /^[45]\.1\./.test(status)) return 'userunknown';
  if (/\d{3}:? <\S{1,200}>: user unknown|adresse destinataire invalide/.test(text)) return 'userunknown';
  if (command === 'data' || /^[45]\.[237]\./.test(status)) return 'filtered';
  return replyCode === '' || status !== '' ? 'userunknown' : 'filtered';
}

/** Lower case, white space squeezed, and without what servers add to every refusal. */
function readable(text: string): string {
  return (
    text
      .slice(0, 4_000)
      .toLowerCase()
      .replace(/[\u2018\u2019]/g, "'")
      .replace(/\s+/g, ' ')
      // IronPort, before the remote server's own words.
      .replace(/\b[45]\.\d\.\d - [a-z ]{1,60} (?=\d{3}-')/g, '')
      // qmail, behind the cause.
      .replace(/this message has been in the queue too long/g, 'queue expired')
      // A gateway's praise of itself.
      .replace(
        /(?:scanned|checked|swept|screened) (?:by|for|against)\b.{0,80}?\b(?:virus|spam|malware)\w*(?: and (?:virus|spam|malware)\w*)?/g,
        '',
      )
  );
}

/** Codes that mean one thing, whatever the text says (RFC 3463, RFC 7372, RFC 7505, Microsoft's list of NDR codes). */
const tellingStatus: ReadonlyMap<string, BounceReason> = new Map([
  ['5.1.6', 'hasmoved'],
  ['5.7.25', 'requireptr'],
  ['5.7.26', 'authfailure'],
  ['5.7.20', 'authfailure'],
  ['5.7.21', 'authfailure'],
  ['5.7.22', 'authfailure'],
  ['5.7.23', 'authfailure'],
  ['5.7.24', 'authfailure'],
  ['5.7.509', 'authfailure'],
  ['5.7.606', 'blocked'],
  ['5.7.511', 'blocked'],
  ['5.7.13', 'suspend'],
  ['5.2.2', 'mailboxfull'],
  ['4.2.2', 'mailboxfull'],
  ['5.3.4', 'mesgtoobig'],
  ['5.1.90', 'toomanyconn'],
  ['5.1.7', 'rejected'],
  ['5.1.8', 'rejected'],
  ['5.4.310', 'hostunknown'],
  ['5.4.312', 'networkerror'],
]);

/** One pattern for each group, in the order of the groups. */
const rules = refusalWords.map(({ reason, outright, phrases }) => ({
  reason,
  outright: outright === true,
  pattern: new RegExp(phrases.map(({ source }) => `(?:${source})`).join('|')),
}));

/** By the code alone, where the words say nothing (RFC 3463). */
const statusRules: readonly (readonly [RegExp, BounceReason])[] = [
  [/^5\.1\.(?:0|1|3|10)$/, 'userunknown'],
  [/^[45]\.1\.1$/, 'userunknown'],
  [/^[45]\.1\.2$/, 'hostunknown'],
  [/^5\.1\.8$/, 'rejected'],
  [/^5\.1\./, 'filtered'],
  [/^[45]\.2\.1$/, 'suspend'],
  [/^[45]\.2\.3$/, 'exceedlimit'],
  [/^[45]\.2\./, 'filtered'],
  [/^5\.3\.2$/, 'notaccept'],
  [/^4\.3\.1$/, 'systemfull'],
  [/^[45]\.3\./, 'systemerror'],
  [/^5\.4\.4$/, 'hostunknown'],
  [/^[45]\.4\.(?:1|2|7)$/, 'expired'],
  [/^[45]\.4\./, 'networkerror'],
  [/^[45]\.5\./, 'syntaxerror'],
  [/^[45]\.6\./, 'contenterror'],
  // RFC 7505: the sender's domain takes no mail. Gmail says it of SPF, in words.
  [/^5\.7\.27$/, 'notaccept'],
  [/^[45]\.7\./, 'securityerror'],
];

function byReplyCode({ replyCode, command }: Refusal): BounceReason {
  if (replyCode === '521' || replyCode === '556') return 'notaccept';
  if (replyCode === '552') return 'mailboxfull';
  if (replyCode.startsWith('4')) return 'expired';
  if ((replyCode === '550' || replyCode === '553') && command === 'rcpt') return 'filtered';
  return replyCode === '' ? 'undefined' : 'onhold';
}
