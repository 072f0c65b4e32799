// What a notice names is what a submission accepts as it stands: the same grammar for addresses, ids and text. What does
// not fit is left out, with a remark that says so; the raw message still has it.
import { parseAddress } from '../mail/address.ts';
import { isMessageId } from '../mail/messageId.ts';
import { quoteBriefly } from '../mail/quote.ts';
import { controlAt, plainLine } from '../mail/text.ts';
import { headerTextTrouble } from '../mail/headerText.ts';

interface NamedAddress {
  readonly name: string;
  readonly address: string;
}

/** The part of a notice that an answer is made of. */
export interface Answerable {
  readonly messageId: string;
  readonly inReplyTo: readonly string[];
  readonly references: readonly string[];
  readonly from: readonly NamedAddress[];
  readonly sender: readonly NamedAddress[];
  readonly replyTo: readonly NamedAddress[];
  readonly to: readonly NamedAddress[];
  readonly cc: readonly NamedAddress[];
  readonly subject: string;
}

/** Remarks about single values; more of them are counted. */
const remarksMost = 10;

/** The same, usable in a submission, and what had to be left out. Text is shortened only by who reads the message. */
export function answerable<Part extends Answerable>(
  part: Part,
): { readonly part: Part; readonly remarks: readonly string[] } {
  const remarks: string[] = [];
  const people = (list: readonly NamedAddress[], field: string): readonly NamedAddress[] =>
    list.flatMap(({ name, address }) => {
      const usable = usableAddress(address);
      if (usable !== undefined) return [{ name: headerLine(name), address: usable }];
      remarks.push(`${field}: the address ${quoteBriefly(address)} was left out: no mail can be sent to it`);
      return [];
    });
  const ids = (list: readonly string[], field: string): readonly string[] =>
    list.filter((id) => {
      const usable = isMessageId(id);
      if (!usable) remarks.push(`${field}: the id ${quoteBriefly(id)} was left out: no header can carry it`);
      return usable;
    });
  const { messageId } = part;
  const usable = {
    messageId: messageId === '' ? '' : (ids([messageId], 'messageId')[0] ?? ''),
    inReplyTo: ids(part.inReplyTo, 'inReplyTo'),
    references: ids(part.references, 'references'),
    from: people(part.from, 'from'),
    sender: people(part.sender, 'sender'),
    replyTo: people(part.replyTo, 'replyTo'),
    to: people(part.to, 'to'),
    cc: people(part.cc, 'cc'),
    subject: headerLine(part.subject),
  };
  const more = remarks.length - remarksMost;
  const shown = more > 0 ? [...remarks.slice(0, remarksMost), `${more} more values were left out`] : remarks;
  return { part: { ...part, ...usable }, remarks: shown };
}

/** As it is, if a submission accepts it; else without what readers put around it. */
function usableAddress(address: string): string | undefined {
  if (parseAddress(address).kind === 'ok') return address;
  const bare = address
    .trim()
    .replace(/^mailto:/i, '')
    .replace(/\?.*$/, '')
    .replace(/^"([^"\\\\]*)"@/, '$1@');
  return parseAddress(bare).kind === 'ok' ? bare : undefined;
}

/** Decoded text in one line of whole characters. */
function headerLine(text: string): string {
  const plain = text.isWellFormed() && controlAt(text) === undefined ? text : plainLine(text);
  // An encoded word within decoded text: some reader would decode it once more.
  return headerTextTrouble(plain) === undefined ? plain : plain.replaceAll('=?', '= ?');
}
