// A write to ESM whose answer is not known: looked for on the card, or in a filter by our id. What is not found counts as
// not done only once the write can no longer be under way and the filter's lag is over.
import { valuesOf } from '../client/answers.ts';
import { findCards, readCard } from '../client/cards.ts';
import { equals } from '../client/filter.ts';
import { waitFor, type EsmDependencies, type Wait } from '../dependencies.ts';
import type { IncomingRule } from '../mapping.ts';

export type Found<Value> =
  { readonly kind: 'found'; readonly value: Value } | { readonly kind: 'absent' } | Wait;

/** The card that carries the mail's id. */
export async function findOwnCard(
  mailId: string,
  rule: IncomingRule,
  { esm }: Pick<EsmDependencies, 'esm'>,
): Promise<Found<string>> {
  const { mailId: attribute } = rule.attributes;
  const filter = equals(attribute, mailId);
  if (filter === undefined) throw new Error('the id of a notice does not fit into a filter');
  const answer = await findCards(esm, rule.template, { filter, attributes: [attribute], limit: 5 });
  if (answer.kind === 'failure') return waitFor(answer);
  // The oldest: were there two, the first one lives on.
  const card = answer.value.cards.at(-1);
  return card === undefined ? { kind: 'absent' } : { kind: 'found', value: card.dataCardId };
}

export interface CommentAt {
  readonly template: string;
  readonly cardId: string;
  readonly attribute: string;
  readonly marker: string;
}

/** Whether a comment with the marker is in the worklog, or a file of that name on the attribute. */
export async function findComment(
  { template, cardId, attribute, marker }: CommentAt,
  { esm }: Pick<EsmDependencies, 'esm'>,
): Promise<Found<undefined>> {
  const answer = await readCard(esm, template, { cardId, attributes: [attribute] });
  if (answer.kind === 'failure') return answer.reason === 'missing' ? { kind: 'absent' } : waitFor(answer);
  const isThere = valuesOf(answer.value, attribute).some(
    ({ value, name }) =>
      String(value ?? '')
        .slice(0, 2_000)
        .includes(marker) || name === marker,
  );
  return isThere ? { kind: 'found', value: undefined } : { kind: 'absent' };
}

/** Undefined if a write begun at `writeAt` has ended by now, whatever it came to. */
export function stillOpen(
  writeAt: number,
  { clock, numbers }: Pick<EsmDependencies, 'clock' | 'numbers'>,
): Wait | undefined {
  const until = writeAt + numbers.settleMs;
  return clock.now() >= until
    ? undefined
    : {
        kind: 'wait',
        reason: 'inDoubt',
        detail: 'the answer to a write was lost; what became of it is looked up',
        notBefore: until,
        isPlanned: true,
      };
}
