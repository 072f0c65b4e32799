// Is it a bounce at all? One sign alone is not enough, because people write about bounces, quote and forward them.
//
// Without a report at the root of the message, a machine must have sent it (origin.ts), and then it takes two of: an
// address that only mail servers have, a subject of bounces, words with which servers begin theirs. The fainter the
// mark of the machine, the more the words must say: that it is about a mail, and whom the mail did not reach.
import { codesIn } from './bounceCodes.ts';
import { field } from '../mail/headers.ts';
import type { MimePart } from './mimeTree.ts';
import type { Origin } from './origin.ts';

/** Which sign tells that it is a bounce, undefined for none. `notice` is the text without the returned message. */
export function bounceSign(
  root: MimePart,
  notice: string,
  origin: Origin,
  named: () => 'listed' | 'inline' | 'none',
): string | undefined {
  if (isReport(root, 'delivery-status')) return 'report without its part';
  if (origin.person || !origin.machine) return undefined;
  if (origin.failedRecipients) return 'X-Failed-Recipients';
  // fml.
  if (/^loop alert:/i.test(field(root, 'subject')) && /duplicated message-id/i.test(notice))
    return 'list server';
  const subject = bounceSubject(origin);
  const opening = opensLikeABounce(notice);
  // What calls itself an automatic reply and comes from no daemon has to begin as a bounce does.
  const answer = origin.submitted === 'auto-replied' && origin.daemon === 'none';
  const says = opening || (!answer && failure.test(notice.slice(0, 20_000)));
  const codes = /\b[45]\d\d[ -][45]\.\d{1,3}\.\d/.test(notice);
  // A list passed on what a daemon sent to it; anything fainter is list mail.
  const distributed = field(root, 'list-id') !== '' || field(root, 'list-post') !== '';
  if (origin.daemon === 'unattended') {
    if (subject) return 'sender and subject';
    if (says && /[45]\.\d\.\d|\b[45]\d\d\b|\S@\S/.test(notice)) return 'sender and text';
    return codes && notice.includes('@') ? 'sender and codes' : undefined;
  }
  // Postmaster with a second mark is a program, too. Without one it may be a person who writes to us.
  if (origin.daemon === 'attended' && (origin.nullPath || origin.submitted !== '')) {
    if (subject) return 'sender and subject';
    if (says && /[45]\.\d\.\d|\b[45]\d\d\b|\S@\S/.test(notice)) return 'sender and text';
    return codes && notice.includes('@') ? 'sender and codes' : undefined;
  }
  if (origin.daemon === 'attended') {
    const how = greets(notice) ? 'none' : named();
    if (how === 'none') return undefined;
    if (subject && (says || how === 'listed')) return 'sender and subject';
    if (opening) return 'sender and text';
    return codes && (subject || says) ? 'sender and codes' : undefined;
  }
  if (distributed || greets(notice) || !aboutMail(notice, origin) || named() === 'none') return undefined;
  if (subject && says) return 'subject and text';
  if (opening) return 'text';
  return subject && (codes || codesIn(notice).status !== '') ? 'subject, text and status' : undefined;
}

/** The message is a multipart/report of that type as a whole (RFC 6522), not one that carries such a report. */
export function isReport(
  root: MimePart,
  type: 'delivery-status' | 'disposition-notification' | 'feedback-report',
): boolean {
  const named = root.parameters.get('report-type')?.toLowerCase().trim() ?? '';
  return root.contentType === 'multipart/report' && (named === type || named === `global-${type}`);
}

/** How people begin a mail. "Hi. This is the qmail-send program" goes on in its line. */
function greets(notice: string): boolean {
  const first = notice.trimStart().slice(0, 200).split('\n', 1)[0] ?? '';
  return (
    greeting.test(first) &&
    !/\bthis is\b|mail(?:er)?[- ]?(?:system|server|daemon)|postmaster|your (?:mail|message|e-?mail)/i.test(
      first,
    )
  );
}

const greeting =
  /^(?:hi|hello|hey|dear|good (?:morning|day|afternoon)|greetings|hei|moi|terve|hyv[äa]|hej|god (?:morgon|dag)|hallo|guten|sehr geehrte|liebe|bonjour|bonsoir|madame|cze[sś][cć]|dzie[nń] dobry|szanown|witam|hola|buen[oa]s|ciao|buongiorno|ol[áa]|bom dia|tere|sveiki|labas|здравствуйте|добрый)\b/i;

/** A parcel is not delivered either. */
function aboutMail(notice: string, origin: Origin): boolean {
  const text = `${origin.subjects[0] ?? ''}\n${notice.slice(0, 4_000)}`;
  return mailWords.test(text) && !parcelWords.test(text);
}

const mailWords =
  /mail|messag|メール|メッセージ|邮件|郵件|메일|viesti|meddeland|meddelelse|melding|nachricht|courriel|mensaje|mensagem|messaggio|bericht|wiadomo|zpráv|správ|üzenet|mesaj|ileti|письм|сообщени|повідомл|sõnum|ziņojum|laišk|smtp|rcpt|550|recipient|mottag|mottak|modtag|vastaanott|empfäng|destinat|odbior|adresat|příjem|geadresseerde/i;
const parcelWords =
  /parcel|shipment|tracking (?:number|id|code)|courier|postnord|\bdhl\b|\bups\b|fedex|lähetystunnus|paketti|pakett|paket\b|sendungsnummer|colis|przesyłk|pakken?\b/i;

export function bounceSubject({ subjects: forms }: Origin): boolean {
  return forms.some((form) => subjects.some((one) => one.test(form)) || saysUndelivered(form));
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
  return openings.some((one) => one.test(beginning)) || saysUndelivered(beginning.slice(0, 600));
}

/**
 * Delivery and its failure close to each other, in the languages of the desks that use the bridge and their neighbours:
 * Exchange and others translate their notices, and every version words them anew.
 */
function saysUndelivered(text: string): boolean {
  return undelivered.some((one) => one.test(text));
}

const undelivered: readonly RegExp[] = [
  // Swedish, Danish, Norwegian.
  /olever|\b(?:inte|ej|ikke)\b.{0,40}\blever|\blever(?:ans|a|ing|er|e)\w*\b.{0,60}(?:missly|mislyk|fejl|feil|ikke|inte|avbr|afbr)|kunne ikke .{0,20}lever|fejl (?:under|ved) lever|feil (?:under|ved) lever/i,
  // Finnish, Estonian.
  /toimit(?:us|tam|ett|taa).{0,80}(?:epäonn|ei (?:voi|onnis))|\bei (?:voi|voitu|voida|ole voitu|onnistuttu|pystytty).{0,60}toimit|toimittama(?:ton|tta)|(?:ei saanud|ei õnnestunud).{0,40}(?:toimeta|edasta)/i,
  // German, Dutch.
  /unzustell|(?:konnte|kann|wurde|werden)\b.{0,80}\bnicht.{0,30}(?:zugestell|zustell|übermittel|ausgelief)|(?:zustell|übermittl)ung.{0,60}(?:fehl|nicht)|fehler.{0,40}zustell|onbestel|niet (?:kunnen |worden )?(?:worden )?(?:afgelever|bezorg)|(?:bezorg|aflever)(?:ing|en).{0,40}mislukt/i,
  // French, Italian, Spanish, Portuguese.
  /(?:n['’ ]a|n['’]ont|pas)\b.{0,40}(?:remis|distribué|délivré|livré|achemin)|(?:échec|erreur|impossib).{0,40}(?:remise|distribu|livr|achemin)|non (?:remis|distribu|délivr)|(?:non|impossibile|mancat).{0,40}(?:recapit|consegn)|(?:no|imposible|error|fall).{0,40}entreg|n[ãa]o.{0,40}entreg|falha.{0,30}entreg/i,
  // Polish, Czech, Slovak, Hungarian.
  /\bnie (?:mo|uda|zosta|powi).{0,60}(?:dostarcz|doręcz)|(?:dostarcz|doręcz)\p{L}*.{0,80}nie (?:powi|uda|by|mo)|niedostarcz|niedoręcz|(?:nelze|nemoh|nepoda|nebylo).{0,60}doruč|nedoruč|kézbesít.{0,40}(?:sikertelen|nem)|nem.{0,30}kézbesít/iu,
];

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

/** Everything arrived, or went on to a server that reports nothing (sendmail, Postfix, Exchange). */
export function isSuccessNotice({ subjects: forms }: Origin): boolean {
  return forms.some((form) =>
    /\(success\)|successful (?:mail )?delivery|^return receipt|^(?:delivered|relayed|expanded): /i.test(form),
  );
}

/** Nothing has failed yet: the server goes on trying. */
export function isDelayNotice({ subjects: forms }: Origin, notice: string): boolean {
  return forms.some((form) => delayedSubject.test(form)) || stillTrying.test(notice.slice(0, 5_000));
}

const delayedSubject =
  /\(delay\)|delayed|warning: (?:message|could not send)|notification: warning|delivery warning|temporarily|still being retried|försen|viiväst|verzöger|verspät|retard|opóźni|forsink|vertraag|ritard|retras|atrasad/i;

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
    /försöker (?:igen|fortfarande)|yritetään (?:edelleen|uudelleen)|wird weiterhin versucht|continuer[ao] (?:d')?(?:essayer|à)|forsøger? (?:fortsat|igen|fremdeles)|ponawiane|próby .{0,30}będą/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
