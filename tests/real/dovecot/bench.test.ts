// The bench of the inbound side on a small folder: every run fetches all of it, or the bench throws.
import { expect, test } from '@jest/globals';
import { benchInbound } from '../../../local/bench/inbound.ts';
import { inboundReport } from '../../../local/bench/inboundReport.ts';

test('a folder fetched by plain imapflow, by our passes, and by our passes to the emulator', async () => {
  const lines: string[] = [];
  const figures = await benchInbound((detail) => lines.push(detail), { messages: 45, rounds: 1 });
  expect(lines).toHaveLength(3);
  // The raw mail and its notice (short texts are inside it); and what begins, ends and advances a pass.
  expect(figures.storageCalls).toBeGreaterThanOrEqual(45 * 2);
  expect(figures.storageCalls).toBeLessThan(45 * 2 + 20);
  expect(figures.storageMs).toBeGreaterThan(0);
  expect(figures.storageMs).toBeLessThanOrEqual(figures.wholeMs);
  expect(inboundReport(figures).json).toMatchObject({ messages: 45, sizeBytes: 5_000, passes: 1 });
}, 120_000);
