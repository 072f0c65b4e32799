// Is it a bounce at all? One sign alone is not enough, because people write about bounces, quote and forward them: it
// takes two of a sender that is a machine, a subject of bounces, words with which servers begin theirs, and the message
// that came back.
import { codesIn } from './bounceCodes.ts';
import { field, fieldsNamed } from '../mail/headers.ts';
import { decodedField, walk, type MimePart } from './mimeTree.ts';

/** Which sign tells that it is a bounce, undefined for none. `notice` is the text without the returned message. */
export function bounceSign(root: MimePart, notice: string): string | undefined {
  if (fieldsNamed(root, 'x-failed-recipients').length > 0) return 'X-Failed-Recipients';
  const type = field(root, 'content-type').toLowerCase();
  const sender = daemonLike(root);
  const subject = bounceSubject(root);
  const opening = opensLikeABounce(notice);
  if (type.includes('report-type') && type.includes('delivery-status')) return 'report without its part';
  // A list passed it on to its readers: list mail, unless it is a report by its own part.
  if (field(root, 'list-id') !== '' || field(root, 'list-post') !== '') return undefined;
  if (sender && subject) return 'sender and subject';
  // fml.
  if (/^loop alert:/i.test(field(root, 'subject')) && /duplicated message-id/i.test(notice))
    return 'list server';
  // What calls itself an automatic reply and comes from a person has to begin as a bounce does.
  const answer = /^auto-replied/i.test(field(root, 'auto-submitted')) && !sentByADaemon(root);
  const loose = !answer && failure.test(notice.slice(0, 20_000));
  const says = opening || loose;
  if (sender && says && /[45]\.\d\.\d|\b[45]\d\d\b|\S@\S/.test(notice)) return 'sender and text';
  // Whatever its language: an address, and the code with its status.
  if (sender && /\b[45]\d\d[ -][45]\.\d{1,3}\.\d/.test(notice) && notice.includes('@'))
    return 'sender and codes';
  if (byAPerson(root)) return undefined;
  if (subject && opening) return 'subject and text';
  if (subject && says && codesIn(notice).status !== '') return 'subject, text and status';
  const attached = [...walk(root)].some(
    (part) => part !== root && /^(?:message\/rfc822|text\/rfc822-headers)$/.test(part.contentType),
  );
  if (attached && opening) return 'text and returned message';
  return undefined;
}

/** From or the reverse-path is a mail server's. */
export function daemonLike(root: MimePart): boolean {
  return sentByADaemon(root) || fieldsNamed(root, 'return-path').some((path) => path.trim() === '<>');
}

function sentByADaemon(root: MimePart): boolean {
  const from = fieldsNamed(root, 'from').join(' ');
  const path = fieldsNamed(root, 'return-path').join(' ');
  return (
    daemons.some((one) => one.test(from)) ||
    /mailer-daemon|postmaster/i.test(path) ||
    /(?:^|\s)<>$/.test(from.trim())
  );
}

const daemons: readonly RegExp[] = [
  /mailer-?daemon/i,
  /post_?master/i,
  /mail ?delivery (?:system|subsystem|service)/i,
  /delivery subsystem/i,
  /mail\.delivery\.system/i,
  /mail[- ]?daemon/i,
  /mail (?:administrator|delivery)\b/i,
  /\bmta@/i,
  // Exchange 5.5 to 2003, then 2007 and later.
  /system administrator/i,
  /microsoft ?exchange/i,
  // Trend Micro.
  /interscan/i,
  // Courier.
  /mail server at/i,
  /\bmdaemon@/i,
  /mailmarshal/i,
];

export function bounceSubject(root: MimePart): boolean {
  const raw = field(root, 'subject');
  const decoded = decodedField(raw);
  return subjects.some((one) => one.test(raw) || one.test(decoded));
}

const subjects: readonly RegExp[] = [
  // Exchange, Exim, Domino, IMail, CommuniGate, GroupWise.
  /undeliver(?:ed|able)/i,
  /delivery (?:status )?(?:notification|failure|failed|has failed|error|problem|report|warning|delay)/i,
  /delivery (?:unsuccessful|temporarily)/i,
  /delivery to .{0,80} failed/i,
  // sendmail, Netscape, NTMail.
  /returned (?:mail|to sender)/i,
  /failed mail/i,
  // qmail.
  /fail(?:ure|ed) (?:notice|delivery)/i,
  /mail (?:delivery )?(?:failed|failure|error|system error)/i,
  /message (?:delivery has failed|could not be delivered|undeliverable|not delivered|status - undeliverable)/i,
  /non[- ]?(?:delivery|remis)/i,
  /nondeliverable/i,
  /not delivered/i,
  /(?:could|can) ?not be delivered/i,
  /mail could not/i,
  /permanent delivery failure/i,
  /error (?:sending|in) your mail/i,
  // XMail.
  /error sending message/i,
  /rejected mail/i,
  /processing error$/i,
  // sendmail, Postfix and others, while they try.
  /warning: (?:message|could not send)/i,
  /delayed mail|mail delayed|still being retried/i,
  // MDaemon.
  /warning: \S{1,200} - user unknown/i,
  // The same in other languages, mostly Exchange's prefixes.
  /unzustellbar|nicht zustellbar|zustellung .{0,20}fehlgeschlagen|fehler bei der zustellung/i,
  /échec|n'a pu être|non remis/i,
  /no se (?:puede|pudo) entregar|no entregado|error de entrega/i,
  /n[ãa]o (?:é poss[íi]vel entregar|entregue)|falha na entrega/i,
  /recapito non riuscito|non recapitabile|mancato recapito|ritornata/i,
  /onbestelbaar|niet bezorgd/i,
  /kan (?:inte|ej) levereras|kan ikke leveres|ikke leveret|ikke levert/i,
  /toimittamaton|ei voi(?:tu)? toimittaa|toimitus epäonnistui/i,
  /niedostarczon|nie można dostarczyć|nie dostarczono/i,
  /nedoručiteln|nelze doručit|nedoručen/i,
  /не доставлено|недоставлен|не удается доставить|не удалось доставить/i,
  /teslim edilemedi/i,
  /配信|配送|送信(?:でき|エラー)|エラー通知/i,
  /退信|无法(?:送达|投递)|未传递|投递失败|無法傳遞|未傳遞/i,
  /배달되지|반송/i,
];

/** How servers begin their notice, in its first lines. */
function opensLikeABounce(notice: string): boolean {
  const beginning = notice
    .slice(0, 4_000)
    .replace(/[\s*#|=_-]+/g, ' ')
    .slice(0, 900)
    .toLowerCase();
  return openings.some((one) => one.test(beginning));
}

const openings: readonly RegExp[] = [
  // Exim, and many who took its words over.
  /created automatically by (?:the )?mail delivery software/,
  /automatically generated delivery (?:status )?notification/,
  /delivery (?:has failed )?to (?:the following|these) (?:recipients?|address|groups?)/,
  /(?:message|mail|email|letter)\b.{0,120}? (?:could ?n['o]t|was ?n['o]t|has not|cannot|can't) (?:yet )?(?:be(?:en)? )?delivered/,
  /(?:could|can) ?not be delivered to/,
  /was not delivered to/,
  /undeliverable (?:message|mail|to)/,
  /(?:unable|wasn't able|not able|failed) to deliver/,
  /did not reach (?:the following|some or all)/,
  /following (?:recipients?|address(?:es)?)\b.{0,60}?(?:fail|not|could|reject|return|had|undeliver)/,
  /recipients? (?:did not receive|failed|that were affected)/,
  /failed (?:recipient|address)/,
  // Postfix, qmail, OpenSMTPD, sendmail.
  /this is the (?:mail system|postfix program|qmail send program) at/,
  /please do not reply to this email.{0,200} an error has occurred/,
  /transcript of session follows/,
  /(?:non ?delivery|delivery failure|delivery error) (?:report|notification|notice)/,
  /xmail bounce/,
  // NTMail, USA.NET, Blue Sky.
  /mail has been returned because/,
  /(?:email|mail|message) .{0,100}has been (?:postponed|returned|rejected)/,
  /(?:no|not a valid) (?:such )?user (?:here|by that name|of the system)/,
  // Gmail, Exchange Online.
  /address not found|message not delivered|message blocked|wasn't delivered to|couldn't be delivered/,
  // In other languages.
  /n'a (?:pas )?pu (?:être|etre) (?:délivré|delivre|remis|distribué|acheminé)/,
  /(?:konnte|kann) .{0,80}nicht (?:zugestellt|ausgeliefert|übermittelt)/,
  /no (?:se ha podido|se pudo|ha podido|pudo) .{0,20}entrega/,
  /n[ãa]o (?:p[ôo]de ser|foi possível) .{0,10}entreg/,
  /non (?:è stato possibile|può essere) .{0,20}(?:consegna|recapita)/,
  /kon niet worden (?:bezorgd|afgeleverd)/,
  /kunde inte levereras|kunne ikke leveres/,
  /ei voitu toimittaa|toimitus .{0,60}epäonnistui/,
  /nie (?:mog[łl]a?|zosta[łl]a?) .{0,20}dostarczon/,
  /не (?:было|может быть|удалось) .{0,10}достав/,
  /(?:配信|配送|送信|お届け)(?:でき|されま|が完了しま)/,
  /无法(?:投递|送达)|未能(?:送达|投递)|投递失败|無法傳遞/,
];

/** Anywhere in the notice, from a sender that is a machine. */
const failure = new RegExp(
  [
    /could(?:n't| not) (?:be )?deliver/,
    /(?:was|were|is|be|been) (?:not |un)(?:able|deliver)/,
    /unable to (?:deliver|find user)/,
    /undeliverable/,
    /delivery .{0,60}(?:fail|error|delayed|aborted)/,
    /fail\w* .{0,40}deliver/,
    /permanent (?:fatal )?error/,
    /had (?:permanent|transient|delivery)/,
    /did not reach/,
    /(?:has )?not (?:yet )?been delivered/,
    /following addresses/,
    /error message below/,
    /recipient\(?s?\)? (?:was|were|is|are|did|returned|address rejected)/,
    /user(?:'s)? (?:unknown|mailbox|account)/,
    /mailbox .{0,30}full/,
    /we had trouble delivering/,
    /error(?:s)? from/,
    /session follows/,
    /failure reasons/,
    /automatically rejected/,
    /送信できませんでした|配信できませ|配送/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

/** An answer or a forwarded message: what it says of a bounce is a quotation. */
function byAPerson(root: MimePart): boolean {
  return /^\s*(?:re|aw|sv|vs|antw|fwd?|wg|tr|vl|rv|vb|enc|doorst)\s*(?:\[\d+\])?\s*:/i.test(
    decodedField(field(root, 'subject')),
  );
}

/** Everything arrived, or went on to a server that reports nothing (sendmail, Postfix, Exchange). */
export function isSuccessNotice(root: MimePart): boolean {
  return /\(success\)|successful (?:mail )?delivery|^return receipt|^(?:delivered|relayed|expanded): /i.test(
    decodedField(field(root, 'subject')),
  );
}

/** Nothing has failed yet: the server goes on trying. */
export function isDelayNotice(root: MimePart, notice: string): boolean {
  const subject = decodedField(field(root, 'subject'));
  return delayedSubject.test(subject) || stillTrying.test(notice.slice(0, 5_000));
}

const delayedSubject =
  /\(delay\)|delayed|warning: (?:message|could not send)|notification: warning|delivery warning|temporarily|still being retried/i;

const stillTrying = new RegExp(
  [
    /(?:is a )?warning (?:message )?only/,
    /has not yet been delivered/,
    /has been (?:delayed|postponed)/,
    /delivery attempts will continue/,
    /(?:is |this is )only (?:a )?(?:temporary|a notification about a delay)/,
    /will (?:be retried|keep trying|continue to (?:try|be made))/,
    /remains in the (?:server )?queue/,
    /you (?:do not|don't) need to (?:resend|take any action)/,
    /no action is required on your part/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
