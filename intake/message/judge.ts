// Whose mail it is and who gets it: everything that can make the intake refuse a message it could read.
//
// Refused is only what could be read in two ways (the sender), what names nobody who can be reached, and what is
// too large; all else is mended (mendHeader.ts). A bad recipient among good ones is no refusal: the message is
// taken for the others and the bad one becomes a failure report.
import { parseAddress, sameAddress } from '../../shared/mail/address.ts';
import { quoteBriefly } from '../../shared/mail/quote.ts';
import { parseAddressList, type Named } from './addressList.ts';
import type { Envelope } from './identity.ts';
import { valuesOf, type Field } from './headerFields.ts';

/** A mailbox that the bridge sends from. */
export interface ServedMailbox {
  readonly address: string;
  /** Other addresses that From may name. */
  readonly aliases: readonly string[];
}

/** What the bridge serves, and its bounds. */
export interface Served {
  readonly mailboxes: readonly ServedMailbox[];
  /** Of a whole message. */
  readonly messageMostBytes: number;
  readonly recipientsMostCount: number;
}

/** What to do with mail whose From is no mailbox of the bridge. */
export type UnknownFrom =
  | { readonly kind: 'refuse' }
  /** Sent as this mailbox, unless MAIL FROM names one: the name stays, the address moves to Reply-To. */
  | { readonly kind: 'rewrite'; readonly mailbox: string };

export interface BadRecipient {
  readonly recipient: string;
  /** A sentence. */
  readonly detail: string;
}

export type Judgement =
  | {
      readonly kind: 'taken';
      readonly mailbox: string;
      /** From is to be replaced, or written if there was none. */
      readonly rewriteFrom: boolean;
      /** At least one, each once. */
      readonly recipients: readonly string[];
      readonly badRecipients: readonly BadRecipient[];
    }
  | { readonly kind: 'refused'; readonly reply: Refusal };

/** An SMTP reply that refuses (RFC 5321 4.2, RFC 3463). */
export interface Refusal {
  readonly code: number;
  readonly text: string;
}

export function judge(
  fields: readonly Field[],
  envelope: Envelope,
  { served, unknownFrom }: { readonly served: Served; readonly unknownFrom: UnknownFrom },
): Judgement {
  const sender = readFrom(fields);
  if (sender.kind === 'unclear')
    return refused(550, `5.6.0 The From field ${sender.detail}. Write one address`);
  const mailbox = chooseMailbox(sender.from, envelope.mailFrom, served, unknownFrom);
  if (mailbox === undefined) return refused(550, `5.7.1 ${unknownWords(sender.from, envelope.mailFrom)}`);
  const recipients: string[] = [];
  const badRecipients: BadRecipient[] = [];
  for (const recipient of envelope.recipients) {
    const read = parseAddress(recipient);
    if (read.kind === 'refused') {
      badRecipients.push({ recipient, detail: `The address ${quoteBriefly(recipient)} ${read.detail}.` });
    } else if (!recipients.includes(read.address)) recipients.push(read.address);
  }
  const [bad] = badRecipients;
  if (recipients.length === 0) {
    return refused(550, `5.1.3 ${bad?.detail ?? 'The message names no recipient.'}`);
  }
  if (recipients.length > served.recipientsMostCount) {
    return refused(
      550,
      `5.5.3 The message has ${recipients.length} recipients; at most ${served.recipientsMostCount} are allowed`,
    );
  }
  const isOwn = sender.from !== undefined && isOf(mailbox, sender.from.address);
  return { kind: 'taken', mailbox: mailbox.address, rewriteFrom: !isOwn, recipients, badRecipients };
}

type From =
  | { readonly kind: 'read'; readonly from: Named | undefined }
  | { readonly kind: 'unclear'; readonly detail: string };

/** The one author, or why there can be more than one. */
export function readFrom(fields: readonly Field[]): From {
  const values = [...new Set(valuesOf(fields, 'from'))];
  if (values.length > 1) return { kind: 'unclear', detail: 'is there more than once' };
  const [value = ''] = values;
  const list = parseAddressList(value);
  if (list.kind === 'unclear') return list;
  if (list.hasGroup) return { kind: 'unclear', detail: 'is a group' };
  if (list.people.length > 1) return { kind: 'unclear', detail: 'names more than one author' };
  return { kind: 'read', from: list.people[0] };
}

/** By From; if that is none of ours, by the rule for unknown ones. Without From, by MAIL FROM. */
function chooseMailbox(
  from: Named | undefined,
  mailFrom: string,
  served: Served,
  unknownFrom: UnknownFrom,
): ServedMailbox | undefined {
  const find = (address: string): ServedMailbox | undefined =>
    served.mailboxes.find((mailbox) => isOf(mailbox, address));
  if (from === undefined) return find(mailFrom);
  const own = find(from.address);
  if (own !== undefined || unknownFrom.kind === 'refuse') return own;
  return find(mailFrom) ?? find(unknownFrom.mailbox);
}

export function isOf(mailbox: ServedMailbox, address: string): boolean {
  return [mailbox.address, ...mailbox.aliases].some((one) => sameAddress(one, address));
}

function unknownWords(from: Named | undefined, mailFrom: string): string {
  return from === undefined
    ? `The message has no From, and MAIL FROM ${quoteBriefly(mailFrom)} is no mailbox of the bridge`
    : `From ${quoteBriefly(from.address)} is no mailbox of the bridge; add it to MAILBOXES as a mailbox or an alias, or set "unknownFrom" to rewrite`;
}

function refused(code: number, text: string): Judgement {
  return { kind: 'refused', reply: { code, text } };
}
