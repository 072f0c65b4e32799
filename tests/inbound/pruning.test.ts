// Retention on the real table and the real blobs. 10,000 mails: node tests/inbound/pruning.ts
import { expect, test } from '@jest/globals';
import { pruneMany } from './pruning.ts';

test('of 600 mails, those of a month ago are removed, with few calls; after that nothing is announced again', async () => {
  const result = await pruneMany({ mails: 600, young: 50 });
  expect(result).toMatchObject({
    announced: 600,
    contentCount: 550,
    rowCount: 600,
    blobsLeft: 50,
    removedUnannounced: 0,
    announcedAgain: 0,
    messageRowsLeft: 0,
  });
  expect(result.callsPerContent).toBeLessThanOrEqual(0.1);
  expect(result.callsPerRow).toBeLessThanOrEqual(0.1);
}, 300_000);
