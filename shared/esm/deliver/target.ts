// Which card a mail belongs to. The relation to a submission of ours comes first, since only who got that mail knows
// its Message-ID; then ids in the subject, which are a guess: anybody can write one. Each is verified by reading the card.
import { textOf, valuesOf, type EsmCard } from '../client/answers.ts';
import { findCards, readCard } from '../client/cards.ts';
import type { EsmAnswer, EsmFailure } from '../client/failure.ts';
import { equals } from '../client/filter.ts';
import type { EsmDependencies } from '../dependencies.ts';
import type { WholeNotice } from '../../contract/notice.ts';
import { cardOf } from '../correlation.ts';
import type { IncomingRule } from '../mapping.ts';

export type Target =
  | {
      readonly kind: 'card';
      readonly card: EsmCard;
      /** `relation` the mail answers one that was sent for the card · `subject` only its subject names the card. */
      readonly by: 'relation' | 'subject';
    }
  /** `refersTo`: the closed card that the new one follows. */
  | { readonly kind: 'new'; readonly refersTo?: string; readonly remark?: string };

/** Chains of merged cards end after so many. */
const mergedCount = 5;
/** A pattern is not run over more of a subject. */
const subjectCharacters = 500;
const dayMs = 86_400_000;

export async function findTarget(
  notice: WholeNotice,
  rule: IncomingRule,
  dependencies: Pick<EsmDependencies, 'esm' | 'clock'>,
): Promise<Target | EsmFailure> {
  const related = cardOf(notice.relatesTo?.correlation);
  if (related !== undefined && (related.template ?? rule.template) === rule.template) {
    const card = await read(related.cardId, rule, dependencies);
    const target = await judge(card, 'relation', rule, dependencies);
    if (target !== undefined) return target;
  }
  for (const { pattern, attribute } of rule.cardIds) {
    const id = new RegExp(pattern, 'u').exec(notice.subject.slice(0, subjectCharacters))?.[1] ?? '';
    const card = await named(id, attribute, rule, dependencies);
    const target = card === undefined ? undefined : await judge(card, 'subject', rule, dependencies);
    if (target !== undefined) return target;
  }
  return { kind: 'new' };
}

/** What is read of a card to judge it, and to write to it. */
function attributesOf(rule: IncomingRule): readonly string[] {
  const { attributes, mergedInto, closed, parties } = rule;
  const codes = [
    attributes.mailId,
    attributes.files,
    attributes.raw,
    mergedInto,
    closed?.attribute,
    closed?.since,
  ];
  return [...new Set([...codes, ...parties].filter((code) => code !== undefined))];
}

const read = (
  cardId: string,
  rule: IncomingRule,
  { esm }: Pick<EsmDependencies, 'esm'>,
): Promise<EsmAnswer<EsmCard>> => readCard(esm, rule.template, { cardId, attributes: attributesOf(rule) });

/** Undefined if the id can't be one, or names no card, or two. */
async function named(
  id: string,
  attribute: string | undefined,
  rule: IncomingRule,
  dependencies: Pick<EsmDependencies, 'esm'>,
): Promise<EsmAnswer<EsmCard> | undefined> {
  if (attribute === undefined) return /^\d{1,20}$/.test(id) ? read(id, rule, dependencies) : undefined;
  const filter = equals(attribute, id);
  if (filter === undefined) return undefined;
  const found = await findCards(dependencies.esm, rule.template, {
    filter,
    attributes: attributesOf(rule),
    limit: 2,
  });
  if (found.kind === 'failure') return found;
  const [card, another] = found.value.cards;
  return card === undefined || another !== undefined ? undefined : { kind: 'ok', value: card };
}

/** Undefined if the card can't get mail: no such card, deleted, hidden. */
async function judge(
  answer: EsmAnswer<EsmCard>,
  by: 'relation' | 'subject',
  rule: IncomingRule,
  dependencies: Pick<EsmDependencies, 'esm' | 'clock'>,
): Promise<Target | EsmFailure | undefined> {
  let card = answer;
  for (let hop = 0; hop <= mergedCount; hop++) {
    if (card.kind === 'failure') return card.reason === 'missing' ? undefined : card;
    const mergedInto =
      rule.mergedInto === undefined ? undefined : valuesOf(card.value, rule.mergedInto)[0]?.dataCardId;
    if (mergedInto === undefined || mergedInto === null) {
      if (card.value.deleted || card.value.hidden) return undefined;
      return isLongClosed(card.value, rule, dependencies.clock.now())
        ? { kind: 'new', refersTo: card.value.dataCardId }
        : { kind: 'card', card: card.value, by };
    }
    card = await read(mergedInto, rule, dependencies);
  }
  return {
    kind: 'new',
    remark: `the cards named here were merged in a circle or more than ${mergedCount} times`,
  };
}

function isLongClosed(card: EsmCard, { closed }: IncomingRule, now: number): boolean {
  if (closed === undefined) return false;
  const isClosed = valuesOf(card, closed.attribute).some(
    ({ value, code }) => closed.values.includes(String(value ?? '')) || closed.values.includes(code ?? ''),
  );
  const since = Date.parse(textOf(card, closed.since));
  // Without a readable date it counts as closed just now: the mail is better on the card than beside it.
  return isClosed && !Number.isNaN(since) && now - since > closed.days * dayMs;
}

/** Whether the card names the sender, as an address in a text or as a reference to the sender's own card. */
export function isParty(
  card: EsmCard,
  { parties }: IncomingRule,
  sender: { readonly address: string; readonly cardId?: string },
): boolean {
  const address = sender.address.toLowerCase();
  return parties.some((code) =>
    valuesOf(card, code).some((value) => {
      if (value.dataCardId !== undefined && value.dataCardId !== null)
        return value.dataCardId === sender.cardId;
      const words = String(value.value ?? '')
        .toLowerCase()
        .split(/[\s<>,;"'()]+/);
      return words.includes(address);
    }),
  );
}
