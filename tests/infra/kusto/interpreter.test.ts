// The interpreter on examples of Kusto's documentation, and on what it does not know.
import { expect, test } from '@jest/globals';
import { runQuery, type Row } from './interpreter.ts';

/** learn.microsoft.com/kusto/query: the tutorial's few rows of StormEvents, with its column names. */
const storms: readonly Row[] = [
  { State: 'KANSAS', EventType: 'Hail', DamageProperty: 10 },
  { State: 'KANSAS', EventType: 'Flood', DamageProperty: 30 },
  { State: 'TEXAS', EventType: 'Hail', DamageProperty: null },
];
const run = (query: string, now = 0): readonly Row[] => runQuery(query, { StormEvents: storms }, now);

test.each<[query: string, rows: readonly Row[]]>([
  ['StormEvents | where DamageProperty > 20 | project EventType', [{ EventType: 'Flood' }]],
  [
    'StormEvents | summarize count() by State',
    [
      { State: 'KANSAS', count_: 2 },
      { State: 'TEXAS', count_: 1 },
    ],
  ],
  ['StormEvents | where State == "OHIO" | summarize n = count()', [{ n: 0 }]],
  ['StormEvents | where State == "OHIO" | summarize n = count() by State', []],
  [
    'StormEvents | summarize arg_max(DamageProperty, EventType) by State',
    [
      { State: 'KANSAS', DamageProperty: 30, EventType: 'Flood' },
      { State: 'TEXAS', DamageProperty: null, EventType: null },
    ],
  ],
  [
    'StormEvents | summarize least = min(DamageProperty), max(DamageProperty)',
    [{ least: 10, max_DamageProperty: 30 }],
  ],
  ['StormEvents | distinct State', [{ State: 'KANSAS' }, { State: 'TEXAS' }]],
  [
    'let most = toscalar(StormEvents | summarize max(DamageProperty)); StormEvents | where DamageProperty > most - 1 | project State',
    [{ State: 'KANSAS' }],
  ],
  [
    'let hail = StormEvents | where EventType == "Hail" | distinct State; StormEvents | where State in (hail) and isnotnull(DamageProperty) | summarize n = count()',
    [{ n: 2 }],
  ],
  [
    'let hail = StormEvents | where EventType == "Hail" | distinct State; StormEvents | where State !in (hail)',
    [],
  ],
  [
    'let flood = StormEvents | where EventType == "Flood" | distinct State; StormEvents | where State !in (flood) | project State',
    [{ State: 'TEXAS' }],
  ],
])('%s', (query, rows) => {
  expect(run(query)).toEqual(rows);
});

test('has looks for a whole term, whatever its case', () => {
  const rows = [{ text: 'North America' }, { text: 'Northern' }];
  expect(runQuery('T | where text has "north"', { T: rows }, 0)).toEqual([{ text: 'North America' }]);
});

test('a time span and ago', () => {
  const rows = [{ at: 0 }, { at: 120_000 }];
  expect(runQuery('T | where at > ago(1m)', { T: rows }, 120_000)).toEqual([{ at: 120_000 }]);
  expect(runQuery('T | where 60000 * 1ms >= now() - at', { T: rows }, 120_000)).toEqual([{ at: 120_000 }]);
});

test.each([
  ['StormEvents | take 1', 'TakeOperator'],
  ['StormEvents | order by State', 'SortOperator'],
  ['StormEvents | summarize dcount(State)', 'dcount'],
  ['StormEvents | extend n = strlen(State)', 'strlen'],
  ['StormEvents | where State startswith "K"', 'StartsWithExpression'],
  ['Other | where true', 'Other'],
  ['StormEvents | where Missing == 1', 'Missing'],
])('%s is refused', (query, named) => {
  expect(() => run(query)).toThrow(named);
});
