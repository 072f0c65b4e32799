// A subject as programs and people wrote it, under the tags that gateways and ticket systems put before it:
// `[EXTERNAL] Automatic reply: [INC-2041] Printer`, `**SPAM** RE: …`, `Ticket#2041 - Undeliverable: …`.

/** More tags than these are no tags. */
const tagLimit = 8;

/** The whole subject first, then with one leading tag less each time; composed characters (NFC), white space squeezed. */
export function subjectForms(subject: string): readonly string[] {
  let rest = subject.normalize('NFC').replace(/\s+/g, ' ').trim().slice(0, 500);
  const forms = [rest];
  for (let n = 0; n < tagLimit; n += 1) {
    const tag = tags.map((one) => one.exec(rest)?.[0]).find((one) => one !== undefined);
    if (tag === undefined || tag.length >= rest.length) break;
    rest = rest.slice(tag.length).trimStart();
    forms.push(rest);
  }
  return forms;
}

const end = String.raw`\s*[:|>\-\u2013\u2014]*\s*`;

const tags: readonly RegExp[] = [
  new RegExp(
    String.raw`^(?:\[[^\]]{0,80}\]|\([^()]{1,60}\)|\{[^{}]{1,60}\}|【[^】]{1,60}】|<[^<>]{1,60}>)${end}`,
  ),
  // **SPAM**, ***SUSPECTED SPAM***, ##EXTERNAL##, __EXT__, !!! EXTERNAL !!!
  new RegExp(String.raw`^([*#_~=!|+-]{1,5})\s?[^*#_~=!|+]{1,40}?\s?[*#_~=!|+-]{1,5}${end}`),
  // EXTERNAL: …, External - …, Spam? …
  new RegExp(
    String.raw`^(?:external(?: (?:e-?mail|sender|message))?|extern[ae]?|ext|ulkoinen|caution|attention|warning|spam|suspected spam|possible spam|junk|bulk|phishing|suspicious|unverified|untrusted|encrypted|secure|confidential|internal|public|virus checked)\s*[?!]?\s*[:|>\-\u2013\u2014]{1,3}\s*(?=\S)`,
    'i',
  ),
  // INC-2041: …, Ticket#2041 …, #2041 …, Case 2041 - …
  new RegExp(
    String.raw`^(?:(?:ticket|case|incident|request|issue|inc|req|id|ref)?\s?(?:#|no\.? ?|nr\.? ?)\s?[a-z]{0,6}-?\d{2,12}|[a-z]{2,10}-?\d{3,12}|(?:ticket|case|incident|request) \d{2,12})${end}`,
    'i',
  ),
];

/**
 * `Re:`, `FW:` and what mail programs write for them in other languages, with a counter (`Re[2]:`, `Re(2):`, `Re^2:`).
 * Outlook's and Thunderbird's translations; the colon may be full-width.
 */
export function withReplyPrefix(subject: string): boolean {
  return replyPrefix.test(subject);
}

const replyPrefix = new RegExp(
  `^(?:${[
    // Replies.
    're|ref|réf|aw|antw|antwort|sv|svar|vs|vast|vastaus|odp|odpowiedź|odpověď|odpoveď|odg|odgovor|r|ri|rif|ris|risp|res|resp|rep|ré|rép|réponse|ats|atb|atbilde|atsakymas|ynt|yan|yanıt|cevap|vá|válasz|răsp|răspuns|bls|balas|απ|απάντηση|σχετ|отв|ответ|отг|відп|תגובה|השב|رد|ตอบ|trả lời',
    '回复|回覆|答复|答覆|返信|회신|답장|re|RE',
    // Forwards.
    'fw|fwd|fyi|wg|wtr|weitergeleitet|weiterleitung|vl|välitetty|välitys|edelleenlähetetty|vb|vidarebefordrat|vidarebefordran|vs|videresendt|videresendelse|vidsend|doorst|doorgestuurd|enc|encaminhado|rv|reenviado|tr|trans|transf|transféré|i|inoltrato|inoltra|pd|podaj dalej|przekazano|pds|fs|předáno|továbbítás|tov|redirecționat|ilt|i̇lt|İlt|iletilen|trs|terusan|πρθ|προωθ|пересл|перенапр|fwded|הועבר|إعادة توجيه|转发|轉寄|轉發|転送|전달',
  ].join('|')})\\s?(?:\\[\\d{1,3}\\]|\\(\\d{1,3}\\)|\\^\\d{1,3}|\\*\\d{1,3})?\\s?[:：]`,
  'iu',
);
