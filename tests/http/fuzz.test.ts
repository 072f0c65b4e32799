// A small run of npm run fuzz-http; the whole one has 50,000 requests.
import { expect, test } from '@jest/globals';
import { fuzzTarget } from '../../local/fuzzHttp/callers.ts';
import { fuzz } from '../../local/fuzzHttp/fuzzHttp.ts';
import { inProcess } from './inProcess.ts';

test('every answer is a 2xx or a problem with a remedy; submissions are accepted', async () => {
  const report = await fuzz({ send: inProcess(), count: 1_500, seed: 7, atOnce: 1, ...fuzzTarget });
  expect(report.faults).toEqual([]);
  expect(report.acceptedCount / report.submissionCount).toBeGreaterThan(0.3);
  expect(Object.keys(report.byRoute)).toHaveLength(12);
});
