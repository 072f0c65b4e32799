// How long the server takes over a message: dealt from a shuffled deck, so that a run of a hundred messages has
// exactly the tail that was meant and not what chance made of it.
import type { Random } from '../../shared/clock.ts';

/** 90 of 100 take 0.5–2.5 s, nine 5–25 s, one 30–90 s. */
const tail = [
  { cards: 90, leastMs: 500, mostMs: 2_500 },
  { cards: 9, leastMs: 5_000, mostMs: 25_000 },
  { cards: 1, leastMs: 30_000, mostMs: 90_000 },
] as const;

/** Deals latencies with that tail; a new deck of a hundred is shuffled whenever one is used up. */
export function tailDeck(random: Random): () => number {
  let deck: number[] = [];
  return () => {
    if (deck.length === 0) {
      deck = shuffle(
        tail.flatMap(({ cards, leastMs, mostMs }) =>
          // Spread evenly over the span, not drawn: two decks differ in their order alone.
          Array.from({ length: cards }, (_, at) => leastMs + ((mostMs - leastMs) * (at + 0.5)) / cards),
        ),
        random,
      );
    }
    return deck.pop() ?? 0;
  };
}

/** Fisher and Yates. */
function shuffle(cards: number[], random: Random): number[] {
  for (let at = cards.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random.uniform() * (at + 1));
    [cards[at], cards[other]] = [cards[other] ?? 0, cards[at] ?? 0];
  }
  return cards;
}
