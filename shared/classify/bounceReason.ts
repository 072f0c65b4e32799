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
  /** A report gives the status in its field and no diagnostic: the text is what its server tells people about reports. */
  readonly fieldOnly?: boolean;
}

/** More of a refusal is not read. */
export const refusalCharacters = 4_000;

/** Why, and whether the address is dead: nobody should write to it again. */
export interface Judgement {
  readonly reason: BounceReason;
  readonly hard: boolean;
}

/**
 * A live address called dead costs most, because nobody writes to it again. So it is dead only if the words say so
 * plainly and the codes do not contradict them, or if the code says so and there are no words. Words in a language or a
 * wording that is not known make it alive, whatever the code: servers put 5.1.1 before rate limits and policies.
 */
export function judgeRefusal(refusal: Refusal): Judgement {
  const text = readable(refusal.text);
  const spoken = spokenReason(text);
  const reason = reasonFor(refusal, text);
  return { reason, hard: isDeadly(reason, refusal) && agrees(refusal, text, spoken) };
}

/** What a reason says about the address. A host that takes no mail only for now is not dead. */
function isDeadly(reason: BounceReason, { status }: Refusal): boolean {
  if (reason === 'notaccept') return !status.startsWith('4');
  return reason === 'userunknown' || reason === 'hostunknown' || reason === 'hasmoved';
}

interface Spoken {
  readonly at: number;
  readonly length: number;
}

/** The first phrase that says the address is dead. */
function spokenReason(text: string): Spoken | undefined {
  for (const { reason, pattern } of rules) {
    if (!deadReasons.has(reason)) continue;
    const found = pattern.exec(text);
    if (found !== null) return { at: found.index, length: found[0].length };
  }
  return undefined;
}

const deadReasons: ReadonlySet<BounceReason> = new Set([
  'userunknown',
  'hostunknown',
  'hasmoved',
  'notaccept',
]);

function agrees(
  { status, replyCode, fieldOnly = false }: Refusal,
  text: string,
  spoken: Spoken | undefined,
): boolean {
  const code = deadCode.test(status);
  if (spoken !== undefined) {
    // A notice may go on about other things; what stands around the phrase belongs to it.
    const around = text.slice(Math.max(0, spoken.at - 160), spoken.at + spoken.length + 200);
    return !aboutSomethingElse.test(around) && !(status === '' && replyCode.startsWith('4'));
  }
  if (!code) return hasNoWords(text);
  return !aboutSomethingElse.test(text) && (fieldOnly || withCode.test(text) || hasNoWords(text));
}

/** RFC 3463 3.2, RFC 5248: bad mailbox, system, syntax, moved, no MX for either. */
const deadCode = /^5\.(?:1\.(?:0|1|2|3|6|10)|4\.4)$/;

/** Words that say nothing plain by themselves, and agree with a code of the address. */
const withCode =
  /(?:address|recipient) (?:is |was )?(?:rejected|refused|error)|rejected (?:address|recipient)|(?:inactive|closed|terminated|deactivated|deleted|removed|invalid|bad|wrong|unknown|incorrect) (?:e-?mail|address|mail|account|user|recipient|domain|host)|(?:account|mail ?box|address|user) (?:has been |is |was )?(?:closed|terminated|deleted|removed|deactivated|inactive)|no longer (?:active|here|employed|with)|not (?:a )?(?:valid|known|our)/;

/** Nothing but codes, addresses, hosts, labels and what servers put around them. */
function hasNoWords(text: string): boolean {
  const left = text
    .replace(/https?:\S+|\S+@\S+|\b[\w-]+(?:\.[\w-]+)+\b|\[[^\]]{0,100}\]|[<(][^<>()]{0,200}[>)]/g, ' ')
    .replace(/\b[a-z-]{2,20}(?: [a-z-]{2,20}){0,2}:(?= |$)/g, ' ')
    .replace(/\S*\d\S*/g, ' ')
    .replace(boilerplate, ' ')
    .replace(/[^\p{L}]+/gu, '');
  return left.length < 4;
}

const boilerplate = new RegExp(
  `\\b(?:${[
    'e?smtp|gsmtp|error|errors|code|failed|failure|status|delivery|undelivered|undeliverable|deliver|delivered|host|said|says|reply|replied|rcpt|command',
    'mta|after|dsn|remote|server|mailer|returned|permanent|fatal|action|message|mail|e-?mail|recipients?|address(?:es)?|following|groups?|response|diagnostic',
    'information|additional|administrators|generating|original|sender|see|below|attached|reason|end|data|in|to|from|the|and|this|is|a|an|was|not|your|you|could|be|for|or',
    'automatically|generated|notification|report|permanently|has|have|with|unable|of|by|it|i|sorry|at|on|no|one|more|that|sent|transcript|session|follows|while|talking',
  ].join('|')})\\b`,
  'g',
);

/** Words about us, the message or its rate, in several languages: they stand against any code. */
const aboutSomethingElse = new RegExp(
  [
    /\brate\b|rate-|\blimit|quota|throttl|too (?:many|much|fast|often|quickly)|exceed|per (?:hour|day|minute)|frequen/,
    /polic(?:y|ies)\b|reputation|\bblocked\b|block ?list|black ?list|\bspam|\bvirus|suspicious|unsolicited|banned|relay(?:ing)? (?:denied|not)/,
    /\bfull\b|storage|too (?:big|large)|gr[ae]y ?list|(?:try|again|retry) (?:it )?(?:again )?later|temporar|try again in/,
    /\b(?:dmarc|dkim|spf)\b|\b(?:your|sending|client) (?:host|ip|domain|network|account)\b|\bheaders? (?:is |was |are )?(?:not|invalid|missing|malformed)|attachments? (?:type|not|block|refus|reject)|sender (?:verif|address|domain|policy|rejected)/,
    // German, French, Spanish, Italian, Portuguese, Polish, Dutch.
    /zu (?:viele|schnell|häufig)|überschritten|gesperrt|richtlinie|\bvoll\b|vorübergehend|trop (?:de|souvent)|dépass|bloqu[ée]|politique|pleine|temporaire/,
    /demasiad|excedid|l[ií]mite|pol[ií]tica|llen[oa]\b|bloquead|troppi|superat|muit[oa]s|przekroczon|zbyt (?:wiele|dużo)|zablokowan|pełna|te veel|overschred|geblokkeerd/,
    // Swedish, Danish, Norwegian, Finnish.
    /för många|för snabbt|överskrid|begräns|spärrad|blockera|\bprincip|for mange|overskred|begræns|begrens|blokeret|blokkert|liian (?:monta|nopea|usein)|ylitt|raja(?:a|n)?\b|estetty|käytäntö|täynnä/,
    // Russian, Japanese, Chinese.
    /слишком|превыш|лимит|ограничен|заблокирован|переполнен|制限|超過|拒否|频率|限制|超过|过多|拒绝|頻率|超過|過多/,
  ]
    .map(({ source }) => source)
    .join('|'),
);

function reasonFor(refusal: Refusal, text: string): BounceReason {
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
      .slice(0, refusalCharacters)
      .toLowerCase()
      .replace(/[\u2018\u2019]/g, "'")
      .replace(/\s+/g, ' ')
      // IronPort, before the remote server's own words.
      .replace(/\b[45]\.\d\.\d - [a-z ]{1,60} (?=\d{3}-')/g, '')
      // qmail, behind the cause.
      .replace(/this message has been in the queue too long/g, 'queue expired')
      // Exim of large hosters: one sentence for all causes, the first of which it is nearly always.
      .replace(/may not exist, they may be blacklisted, or missing the proper dns entries/g, 'may not exist')
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
  pattern: new RegExp(phrases.map(({ source }) => `(?:${source})`).join('|'), 'u'),
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
