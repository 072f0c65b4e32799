// Why a recipient was not reached, from the server's words first and its codes second: one code (5.7.1, 5.0.0, 550)
// says a dozen things, and a full mailbox is a 5xx as often as a 4xx.
//
// The rules are in order and the first that fits decides: what is said about us or about the message goes before what
// is said about the address, so that an address is called dead only when nothing else explains the refusal.
import type { BounceReason } from './classification.ts';

export interface Refusal {
  /** The server's words, in any case. */
  readonly text: string;
  /** Enhanced status or ''. */
  readonly status: string;
  readonly replyCode: string;
  /** Where the dialog stood, where it is known: an unknown user after DATA is a filter's answer. */
  readonly command: 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | '';
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
  const addressCode = /^[45]\.1\.(?:1|10)$/.test(refusal.status);
  for (const [reason, pattern] of wordRules) {
    // The code for "no such address" stands unless the words name another cause outright.
    if (addressCode && !outright.has(reason)) continue;
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

const outright: ReadonlySet<BounceReason> = new Set([
  'mailboxfull',
  'norelaying',
  'hasmoved',
  'virusdetected',
  'spamdetected',
  'blocked',
  'rejected',
  'mailererror',
]);

/**
 * "User unknown" after RCPT, or with the code for it, or in the words of the bouncing server itself, is that. After
 * MAIL it is the sender who is unknown. From a remote server that gives no such code, at an unknown moment or after the
 * content, it is how filters refuse.
 */
function unknownUser({ status, replyCode, command }: Refusal, text: string): BounceReason {
  if (command === 'mail') return 'rejected';
  if (/^[45]\.1\.(?:1|10)$/.test(status) || /doesn't have an? \S+ account/.test(text)) return 'userunknown';
  // A code and "user unknown" with nothing between: the address was gone from the dialog already.
  if (/\d{3}[\s:>-]{2,6}user unknown/.test(text) || text.includes('msexch:imc')) return 'filtered';
  if (command === 'rcpt' || /^[45]\.1\./.test(status)) return 'userunknown';
  if (/\d{3}:? <\S{1,200}>: user unknown|adresse destinataire invalide/.test(text)) return 'userunknown';
  if (command === 'data' || /^[45]\.[23]\./.test(status)) return 'filtered';
  return replyCode === '' || status !== '' ? 'userunknown' : 'filtered';
}

/** Lower case, white space squeezed, and without the sentence that IronPort puts before the remote server's own. */
function readable(text: string): string {
  return text
    .slice(0, 4_000)
    .toLowerCase()
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/\s+/g, ' ')
    .replace(/\b[45]\.\d\.\d - [a-z ]{1,60} (?=\d{3}-')/g, '');
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
  ['5.7.27', 'notaccept'],
  ['5.7.606', 'blocked'],
  ['5.7.511', 'blocked'],
  ['5.7.13', 'suspend'],
  ['5.2.2', 'mailboxfull'],
  ['4.2.2', 'mailboxfull'],
  ['5.3.4', 'mesgtoobig'],
  ['5.1.90', 'toomanyconn'],
  ['5.1.7', 'rejected'],
]);

/** `.{0,n}` is bounded everywhere: a server's text must not make matching slow. */
const wordRules: readonly (readonly [BounceReason, RegExp])[] = [
  ['mailererror', /procmail|command died|pipe to \||x-unix;|unknown mailer error/],
  ['hostunknown', /the account or domain may not exist/],
  ['notaccept', /null ?mx|does(?:n't| not) (?:receive|accept) (?:any )?e-?mail according/],
  ['networkerror', /host not found, try again|dns error: .{0,60}temporar/],
  [
    'authfailure',
    /\bdmarc\b|\bdkim\b|\bspf\b|sender policy framework|unauthenticated (?:e-?mail|mail)|authentication checks? failed|not pass(?:ed)? (?:the )?authentication|sender id|fails? (?:to pass )?authentication|domain authentication/,
  ],
  [
    'requireptr',
    /reverse dns|\bptr\b|\brdns\b|reverse (?:lookup|hostname|ip)|unverifyable sending|ip (?:address )?.{0,40}(?:does not|doesn't|not) (?:resolve|have)|cannot (?:find|resolve) your (?:reverse )?(?:host|ip|address)|no reverse/,
  ],
  [
    'virusdetected',
    /\bvirus|infected|malware|trojan|\bworm\b|executable (?:file|attachment)|suspicious attachment|potentially executable/,
  ],
  ['failedstarttls', /starttls|tls (?:required|negotiation|handshake)|must issue a starttls/],
  [
    'mailboxfull',
    /mail ?box (?:is )?full|full mail ?box|(?:in|mail)box .{0,60}(?:is full|size (?:limit|quota)|exceed)|over ?-?(?:the )?(?:disk |mail(?:box)? |storage )?quota|quota .{0,30}(?:exceed|full|violat|reach)|exceed\w* .{0,40}quota|out of (?:storage|disk) ?(?:space)?|exceed\w* .{0,40}(?:storage|allowed space|disk space)|storage (?:allocation|limit|quota) .{0,20}exceed|not enough (?:disk |storage )?space|insufficient (?:disk|storage) (?:space|storage)|exceeds allowed size|account is (?:full|over)|is (?:currently )?over ?quota|too much mail data|user has too many messages|mail(?:dir|drop) .{0,30}full|number of messages .{0,60}exceed|delivery would exceed|overquota|quotaexceeded|errno=?28|no space left on (?:device|user)|box full|受信ボックス|メールボックス.{0,40}(?:一杯|いっぱい|満|容量)/,
  ],
  [
    'mesgtoobig',
    /(?:message|mail|e-?mail|file|data|content|attachment|body)s? .{0,40}(?:too (?:big|large|long)|exceeds? .{0,40}(?:size|limit|length)|larger than)|exceeds? .{0,40}(?:message|maximum|fixed|max\.?) (?:message )?(?:size|length)|line (?:limit|length) exceeded|line too long|message (?:size|length) .{0,30}(?:exceed|limit)|size limit (?:is )?exceed|too (?:large|big) (?:message|for)/,
  ],
  [
    'spamdetected',
    /\bspam(?!cop|haus)\b|spamdetected|spammy|junk ?mail|bulk ?mail|unsolicited|content (?:filter|rejected|denied)|rejected (?:as|by|due to|because of) (?:the )?(?:content|message content)|blacklisted (?:url|link)|uribl|surbl|considered .{0,30}(?:spam|unsolicited)|rejected\W{1,5}.{0,30}blacklisted url|message (?:content )?rejected .{0,20}content|high probability of|antispam|mail content denied|suspicious due to the nature/,
  ],
  [
    'notcompliantrfc',
    /rfc ?-?(?:5321|5322|2821|2822|2047|1652|6532)|not (?:rfc )?compliant|(?:missing|invalid|duplicate|multiple|malformed|bad) .{0,20}headers?\b|bare (?:lf|cr|line ?feed)|improperly formatted|header .{0,30}(?:missing|syntax)|message is not rfc/,
  ],
  [
    'norelaying',
    /relay(?:ing)? .{0,20}(?:not (?:permitted|allowed|authori[sz]ed)|denied|prohibited|disallowed|refused|rejected|is forbidden)|unable to relay|(?:not|no) (?:an? )?(?:open )?relay(?:ing|er)?\b|insecure mail relay|(?:do(?:es)? not|don't|won't|can't|cannot) relay|rejected relay|not local; please try|relay access denied|isn't in my list of allowed rcpthosts|that domain isn't in my|not a local|we do not accept mail for|sending? outside the local network/,
  ],
  [
    'hasmoved',
    /has moved|recipient .{0,30}moved|moved to (?:another|a new)|address .{0,30}(?:has )?(?:been )?(?:changed to|replaced by)|no longer (?:uses|using) this address|new (?:e-?mail )?address (?:is|:)|please (?:use|try) .{0,20}instead/,
  ],
  [
    'suspend',
    /(?:account|mail ?box|user|recipient|address|e-?mail|domain)\b.{0,60}\b(?:disabled|suspended|inactive|deactivated|locked|frozen|on hold|not active|terminated|closed|expired account|temporarily (?:disabled|unavailable|locked))|inactive (?:user|account|mail ?box|recipient|e-?mail)|disabled (?:account|mail ?box|user|due|for)|(?:account|mail ?box) (?:is )?(?:has )?expired|no longer active|invalid\/inactive|boite du destinataire archivee|out of service|not (?:been )?(?:activated|paid)|account is (?:locked|blocked)/,
  ],
  [
    'toomanyconn',
    /too many (?:connections?|concurrent|sessions|messages|e-?mails|errors|simultaneous|recipients|smtp|invalid)|(?:rate|frequency|volume|sending) (?:is )?(?:limit|control|exceed)\w*|connection (?:limit|rate|frequency)|\bthrottl|rate[- ]limit|exceed\w* .{0,30}(?:rate|connections|messages per|per hour|hourly|per minute)|receiving mail at a rate|maximum (?:number of )?(?:concurrent )?(?:connections|sessions)|frequency limited|over(?: its)? .{0,20}connection|daily .{0,20}limit|submissionquotaexceeded|submission quota/,
  ],
  [
    'rejected',
    /sender rejected|sender (?:address|domain|e-?mail|id|verif\w*|hostname|is|was|not|blocked|denied|reject\w*|access)\b.{0,60}(?:reject|denied|invalid|not|fail|block|exist|unknown|refus|unverif)|(?:invalid|unknown|bad|illegal|unroutable|unrouteable|unverified|rejected|forged|unresolvable|unqualified) (?:return|sender|envelope|from|reverse)|mail from .{0,60}(?:reject|refus|denied|not|invalid)|domain of (?:the )?sender|sender's (?:domain|address)|does not accept mail from|not accept(?:ing)? (?:e-?)?mail from|from: ?domain is invalid|you (?:are not|do not have|don't have) .{0,30}(?:allowed|authori[sz]ed|permission)|may not have permission to post|backscatter|bad outbound sender|access denied, bad|envelope sender|null sender|dsn to null|address that has been blacklisted|(?:your|sender|from) (?:e-?mail )?address .{0,30}(?:is )?(?:rejected|blocked|blacklisted|refused|denied)|return address|4you are not|all recipient addresses rejected/,
  ],
  [
    'blocked',
    /block(?:ed|list|ing)\b|black ?list|\bdnsbl\b|\brbl\b|spamhaus|spamcop|sorbs|barracudanetworks|\bbanned\b|access (?:is )?denied\.{2,3}|open (?:proxy|relay)|client host .{0,80}(?:reject|block)|\b(?:ip(?: address)?|client host|connection|network)s?\b.{0,60}\b(?:not allowed|reject\w*|denied|refused by|listed|prohibited|not welcome)|dynamic (?:ip|address|host)|(?:temporar\w+ )?deferred due to|not accepting .{0,30}from (?:your|this) (?:ip|server|host)|helo .{0,40}(?:reject|invalid|denied|refus)|invalid (?:ehlo|helo)|invalid domain name|name was rejected|messages? from .{0,60}weren't sent|part of their network is on|no access from mail server|your e-?mail is redundant|poor reputation|bad reputation|low reputation|\breputation\b|your (?:ip|host|server|access|network).{0,60}(?:block|list|reject|refus|denied)|access denied .{0,20}(?:ip|client|host)|(?:go away|we don't like you)|refused .{0,20}(?:by policy|from)/,
  ],
  [
    'hostunknown',
    /(?:unknown|no such|bad|illegal) (?:host|domain|destination (?:system|host))|\b(?:host|domain|hostname)(?: or domain)?(?: name)?(?: (?!not|does)[^ \[\]<>@]{1,100})? ?(?:is |was |could |does |do |can )?(?:unknown|(?:not|n't|cannot|can't) (?:be )?(?:found|exist|resolved?|known|valid))|(?:domain|host) .{0,60}doesn't exist|(?:couldn't|could not|cannot|can't) (?:find|resolve) .{0,60}(?:host|domain|mx)\b|dns (?:error|lookup failure)|name or service not known|nxdomain|unrout(?:e)?able (?:mail domain|address|domain)|no (?:mx|a|valid mx) (?:or [a-z]+ )?(?:records? )?found|no (?:valid )?mx records?|mx records? point|recipient's? domain|domain name is invalid|domain is not reachable|(?<![\w@.-])[a-z0-9-]{1,60}\.[a-z0-9.-]{2,120} does not exist|all relevant mx|no (?:route|transport) (?:for|found for) domain|non-?existent (?:domain|host)|bad destination system/,
  ],
  [
    'userunknown',
    /user ?(?:id|name)? ?(?:is |was )?unknown|unknown (?:user|recipient|address|account|mail ?box|local|alias|or illegal user|to address|rcpt|login|customer)|no such (?:user|mail ?box|recipient|address|person|account|name|alias|local|virtual|employee|e-?mail|uid)|no (?:mail ?box|user|account|valid recipients?|matching recipient) (?:here|by|found|with|named)|(?:user|recipient|mail ?box|address|account|alias|name|addressee|person|inbox|destinataire|local part|rcpt)s?\b.{0,80}\b(?:not (?:be )?(?:found|known|exist|recogni[sz]ed|valid|listed|here|local|present|defined|in (?:the )?(?:list|directory|address|ldap|domain)|on (?:this|the) (?:server|system))|n't (?:exist|found|have|seem)|doesn't exist|does not exist|don't exist|no longer (?:exists?|valid|available|in use|accept|works|with)|non-?existent|unknown|is invalid|invalid|unavailable|incorrect|undeliverable|inconnu|not a valid)|invalid (?:user|recipient|mail ?box|address|account|local)|(?:email|address|recipient|mailbox) (?:you entered )?(?:couldn't|could not|wasn't|was not) (?:be )?found|not a (?:valid|known|local) (?:user|mail ?box|recipient|address)|bad (?:destination )?(?:mail ?box|address|recipient)|undeliverable (?:address|to)|recip(?:ient)?notfound|recipient name is not recogni[sz]ed|not listed in|(?:doesn't|does not) have (?:a|an) .{0,60}account|is not (?:one of our|known|a (?:valid|registered))|(?:isn't|not) (?:known|registered) (?:here|in)|(?:does not|doesn't) like recipient|delivery to .{0,60}not (?:possible|allowed here)|please check .{0,30}address|recipient address rejected: access denied|no such (?:user|address)|unable to deliver message to <|mailbox (?:unavailable|not available)|user .{0,60}(?:doesn't|does not) exist|utilisateur inconnu|adresse .{0,30}(?:inconnue|invalide)|\bnon trovato|unbekannt|usuario desconocido|宛先.{0,30}(?:存在|不明|見つか)/,
  ],
  [
    'notaccept',
    /(?:does not|doesn't|do not|not) accept(?:ing)? (?:any )?(?:e-?)?(?:mails?|messages|network messages)\b|null ?mx|smtp protocol|no smtp|host .{0,30}does not receive mail|not accepting network|name server: .{0,60}(?:host|domain) not found|mail (?:service|server) .{0,30}(?:not available|disabled)/,
  ],
  [
    'filtered',
    /recipient not found|recipient (?:address )?(?:rejected|refused)|filter(?:ed)?\b|rejected by (?:the )?(?:recipient|user|domain)|user (?:refuses|reject)|each of the following recipients was rejected|not (?:allowed|permitted) to (?:send|receive|post)|resolver\.rst|access to this recipient|because the recipient is not accepting|due to (?:the )?(?:extended|recipient)|user not accepting/,
  ],
  [
    'expired',
    /expired|timed? ?-?out|retry time ?(?:out)?|could ?(?:n't| not) be delivered (?:for|within|after)|(?:in (?:the )?queue|queued) (?:for )?too long|not (?:been )?delivered (?:within|after|for)|giving up|hosts? have been failing|unable to deliver (?:in|within) \d|not respond|delivery failed \d+ attempts|could not deliver for|delayed|have(?:n't| not) been able to|connection (?:refused|timed)|did not accept our requests to connect|establish an smtp connection|too old|warning message only|delivery attempts will continue|socket error|still (?:being )?(?:trying|attempting)|was aborted after/,
  ],
  [
    'networkerror',
    /network|routing loop|hop count|too many hops|(?:mail|forwarding|delivery) loop|loops? back|try again|unreachable|no route|connection (?:reset|lost|dropped|closed|failed)|name service error|destination mxs?|routing (?:problem|error)|lost connection|broken pipe|(?:mx|host|dns) lookup|temporary dns|loop detected|maximum hop/,
  ],
  [
    'mailererror',
    /pipe to|command (?:failed|output|died|line)|exit(?:ed)? (?:with|status|code|value)|mailer error|program (?:failed|died|exited)|unknown mailer|permission denied|procmail|child (?:crashed|failed)|x-unix/,
  ],
  [
    'systemfull',
    /insufficient system (?:storage|resources)|mail system full|out of (?:memory|resources)|system storage|disk full/,
  ],
  [
    'syntaxerror',
    /syntax error|bad sequence|command (?:not (?:recogni[sz]ed|implemented|supported)|unrecogni[sz]ed|unknown|rejected)|unrecogni[sz]ed command|parameters? not (?:recogni[sz]ed|supported)|bad parameter/,
  ],
  [
    'securityerror',
    /not authori[sz]ed|unauthori[sz]ed|authentication (?:required|failed|is required)|authenticate|security (?:policy|violation|reason)|delivery not authorized|encryption (?:needed|required)|you are not permitted|signature|accessed from|must (?:first )?(?:log|auth)/,
  ],
  [
    'contenterror',
    /media (?:error|type)|content (?:error|not|type|is)|conversion|mime (?:error|type|part)|8-?bit|character set|charset/,
  ],
  [
    'policyviolation',
    /polic(?:y|ies)|prohibit|administrative|restrict|forbidden|not permitted|violat|denied by|message (?:was )?refused|refused to accept/,
  ],
  [
    'systemerror',
    /(?:system|server|local|internal|configuration|config|service|database|ldap|i\/o|temporary|transaction|protocol) (?:error|problem|failure|failed|unavailable|misconfig\w*)|error in processing|service (?:currently |temporarily )?(?:unavailable|not available)|unable to contact|can't create|resources|unexpected|duplicated message-id|maintenance|temporar(?:il)?y (?:unavailable|failure|rejected)/,
  ],
];

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
  [/^[45]\.7\./, 'securityerror'],
];

function byReplyCode({ replyCode, command }: Refusal): BounceReason {
  if (replyCode === '521' || replyCode === '556') return 'notaccept';
  if (replyCode === '552') return 'mailboxfull';
  if (replyCode.startsWith('4')) return 'expired';
  if ((replyCode === '550' || replyCode === '553') && command === 'rcpt') return 'filtered';
  return replyCode === '' ? 'undefined' : 'onhold';
}
