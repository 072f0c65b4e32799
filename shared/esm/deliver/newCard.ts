// The data of a card that a mail makes.
import type { WholeNotice } from '../../contract/notice.ts';
import type { CardData, GivenValue } from '../client/cards.ts';
import type { FixedValue, IncomingRule } from '../mapping.ts';
import { bodyText, dateOf, othersOf, senderOf, subjectOf } from './comment.ts';

export interface NewCard {
  readonly text: string;
  /** The sender's card, if there is exactly one. */
  readonly personId?: string;
  readonly refersTo?: string;
  readonly now: number;
}

/** `mayAnswer` is among it, because ESM's acknowledgement goes out when the card is saved. */
export function newCardData(notice: WholeNotice, rule: IncomingRule, card: NewCard): CardData {
  const { attributes, mayAnswer, fixed } = rule;
  const data: Record<string, readonly GivenValue[]> = {};
  const set = (attribute: string | undefined, value: GivenValue | undefined): void => {
    if (attribute !== undefined && value !== undefined && value.value !== '') data[attribute] = [value];
  };
  for (const [attribute, value] of Object.entries(fixed)) set(attribute, value);
  set(attributes.subject, { value: subjectOf(notice) });
  set(attributes.text, { value: bodyText(card.text) });
  set(attributes.sender, { value: senderOf(notice) });
  set(attributes.cc, { value: othersOf(notice) });
  set(attributes.receivedAt, { value: dateOf(notice, card.now) });
  set(attributes.person, card.personId === undefined ? undefined : { dataCardId: card.personId });
  set(attributes.refersTo, card.refersTo === undefined ? undefined : { dataCardId: card.refersTo });
  if (mayAnswer !== undefined)
    set(mayAnswer.attribute, notice.loopGuard.mayAnswer ? mayAnswer.yes : mayAnswer.no);
  set(attributes.mailId, { value: notice.id });
  return data;
}

/** The values that a rule always writes, as a request has them. */
export const fixedData = (values: Readonly<Record<string, FixedValue>>): CardData =>
  Object.fromEntries(Object.entries(values).map(([attribute, value]) => [attribute, [value]]));
