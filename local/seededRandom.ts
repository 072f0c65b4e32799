// Seeded random numbers (mulberry32): the same seed gives the same sequence.
import type { Random } from '../shared/clock.ts';

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const word = (): string =>
    Math.floor(uniform() * 4_294_967_296)
      .toString(16)
      .padStart(8, '0');
  return { uniform, id: () => word() + word() + word() + word() };
}
