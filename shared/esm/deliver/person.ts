// The sender's card. Two hits or none are no answer: a text and a remark are better than a person who was not asked.
import { valuesOf } from '../client/answers.ts';
import { findCards } from '../client/cards.ts';
import type { EsmFailure } from '../client/failure.ts';
import { anyOf, equals } from '../client/filter.ts';
import type { EsmDependencies } from '../dependencies.ts';
import type { IncomingRule } from '../mapping.ts';

export type PersonAnswer =
  | { readonly kind: 'person'; readonly cardId: string }
  | { readonly kind: 'none'; readonly remark: string }
  | EsmFailure;

/** Looks in each of the rule's templates; one call each. */
export async function findPerson(
  address: string,
  rule: Pick<IncomingRule, 'persons'>,
  { esm }: Pick<EsmDependencies, 'esm'>,
): Promise<PersonAnswer> {
  const found = new Set<string>();
  for (const { template, attribute } of rule.persons) {
    const filter = anyOf(writtenAs(address).map((text) => equals(attribute, text)));
    if (filter === undefined)
      return {
        kind: 'none',
        remark: `${address} has characters that ESM can’t be asked for: no person was looked up`,
      };
    const answer = await findCards(esm, template, { filter, attributes: [attribute], limit: 5 });
    if (answer.kind === 'failure') return answer;
    for (const card of answer.value.cards) {
      const isSame = valuesOf(card, attribute).some(
        ({ value }) =>
          String(value ?? '')
            .trim()
            .toLowerCase() === address.toLowerCase(),
      );
      if (isSame && !card.deleted && !card.hidden) found.add(card.dataCardId);
    }
  }
  const [cardId, ...others] = found;
  if (cardId === undefined) return { kind: 'none', remark: `no person in ESM has the address ${address}` };
  return others.length === 0
    ? { kind: 'person', cardId }
    : { kind: 'none', remark: `${found.size} persons in ESM have the address ${address}: none was chosen` };
}

/** A filter may compare by case: the address as it came, in small letters, in capitals, and as names are written. */
function writtenAs(address: string): readonly string[] {
  const lower = address.toLowerCase();
  const [local = '', domain = ''] = lower.split('@');
  const named = local.replace(
    /(^|[.-])([a-z])/g,
    (_, before: string, letter: string) => before + letter.toUpperCase(),
  );
  return [...new Set([address, lower, `${named}@${domain}`, address.toUpperCase()])];
}
