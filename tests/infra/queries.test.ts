// Every query of the alerts and the workbook, as it will be deployed, through Kusto's own language service. The
// tables are the two that the platform fills; the events come as "let" statements made from the catalogue, so a
// query that names an event or a field that nobody writes has no table or column to bind to.
import { afterAll, describe, expect, jest, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { every, layOut, only, root } from './bench.ts';
import { at, detail, list } from './json.ts';

// The compiler is another process, and the machine may be busy.
jest.setTimeout(120_000);

const bench = layOut();
afterAll(() => {
  bench.remove();
});
const prod = await bench.predict('prod.public.bicepparam', 'rg-mail-prod');
const complaints = languageService();

const alerts = every(prod, 'Microsoft.Insights/scheduledQueryRules').map(
  (rule): readonly [string, string] => [
    detail(rule, 'name').replace(/^alert-mail-prod-/, ''),
    detail(rule, 'properties', 'criteria', 'allOf', 0, 'query'),
  ],
);
const workbook: unknown = JSON.parse(
  detail(only(prod, 'Microsoft.Insights/workbooks'), 'properties', 'serializedData'),
);
const panels = list(workbook, 'items')
  .filter((item) => at(item, 'type') === 3)
  .map((item): readonly [string, string] => [detail(item, 'name'), detail(item, 'content', 'query')]);

describe('the check itself bites', () => {
  test.each([
    ['AppTraces | where Messagge has "x"', 'Messagge'],
    ['AppTrace | take 1', 'AppTrace'],
    ['AppTraces | where', 'Missing expression'],
    ['outbound_neverWritten | take 1', 'outbound_neverWritten'],
  ])('%s', (query, named) => {
    expect(complaints(query).join()).toContain(named);
  });

  test('and lets a right one pass', () => {
    expect(
      complaints('AppTraces | where Message has "x" | summarize count() by bin(TimeGenerated, 1h)'),
    ).toEqual([]);
  });

  test('a field that its event has not is named', () => {
    const [, query] = alerts.find(([name]) => name === 'hold') ?? ['', ''];
    expect(complaints(query.replace('project account,', 'project accountt,')).join()).toContain('accountt');
  });
});

describe('alerts', () => {
  test.each(alerts)('%s', (_name, query) => {
    expect(complaints(query)).toEqual([]);
  });

  test('each has its entry in the runbook', () => {
    const runbook = readFileSync(join(root, 'docs', 'runbook.md'), 'utf8');
    const entries = [...runbook.matchAll(/^## (\w+)$/gm)].map((match) => match[1]);
    // The one alert that is no query watches the availability test.
    const named = [...alerts.map(([name]) => name), 'unreachable'];
    expect(entries.toSorted()).toEqual(named.toSorted());
  });

  test('every stop of mail that the design names has one', () => {
    expect(alerts.map(([name]) => name)).toEqual([
      'mailLate',
      'fetchStopped',
      'consumerStopped',
      'sweepStopped',
      'intakeStopped',
      'jobStopped',
      'rejected',
      'eventQuarantined',
      'consentNeeded',
      'grantEnding',
      'credentialEnding',
      'intakeAttention',
      'hold',
      'deadLetter',
      'inDoubt',
      'unreadable',
      'accountUnreadable',
      'connectionsOrphaned',
      'dayQuota',
      'invocationsFailed',
      'poison',
    ]);
  });
});

test('what an alert is split by is a column of its query, and none counts by the time of a line', () => {
  for (const rule of every(prod, 'Microsoft.Insights/scheduledQueryRules')) {
    const criterion = at(rule, 'properties', 'criteria', 'allOf', 0);
    const query = detail(criterion, 'query');
    expect(complaints(`${query}\n| project TimeGenerated`).join()).toContain('TimeGenerated');
    for (const dimension of list(criterion, 'dimensions')) {
      expect(complaints(`${query}\n| project ${detail(dimension, 'name')}`)).toEqual([]);
    }
  }
});

test('five alerts wake somebody', () => {
  const waking = every(prod, 'Microsoft.Insights/scheduledQueryRules').filter(
    (rule) => at(rule, 'properties', 'severity') === 1,
  );
  expect(waking.map((rule) => detail(rule, 'name').replace(/^alert-mail-prod-/, ''))).toEqual([
    'mailLate',
    'fetchStopped',
    'consumerStopped',
    'sweepStopped',
    'intakeStopped',
  ]);
});

test('no alert uses union or join, which log alert rules do not take, or take badly', () => {
  for (const [, query] of alerts) expect(query).not.toMatch(/\b(union|join)\b/);
});

describe('workbook', () => {
  test.each(panels)('%s', (_name, query) => {
    expect(complaints(query)).toEqual([]);
  });
});

/** Kusto's language service with the two tables that the platform fills: what it has to say against a query. */
function languageService(): (query: string) => readonly string[] {
  const require = createRequire(import.meta.url);
  require('@kusto/language-service-next/bridge.min.js');
  require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');
  const { Kusto } = globalThis as unknown as { Kusto: { Language: KustoLanguage } };
  const { Symbols, GlobalState, KustoCode } = Kusto.Language;
  const { String: text, DateTime: instant, Bool: flag, Real: real } = Symbols.ScalarTypes;
  const table = (name: string, columns: readonly (readonly [string, unknown])[]): unknown =>
    new Symbols.TableSymbol.$ctor4(
      name,
      columns.map(([column, type]) => new Symbols.ColumnSymbol(column, type)),
    );
  const common: readonly (readonly [string, unknown])[] = [
    ['TimeGenerated', instant],
    ['OperationId', text],
    ['OperationName', text],
    ['AppRoleName', text],
  ];
  const database = new Symbols.DatabaseSymbol.$ctor1('log', [
    table('AppTraces', [...common, ['Message', text], ['SeverityLevel', real]]),
    table('AppRequests', [...common, ['Name', text], ['Success', flag], ['DurationMs', real]]),
  ]);
  const globals = GlobalState.Default.WithDatabase(database);
  return (query) => {
    const found = KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
    return Array.from({ length: found.Count }, (_, index) => found.getItem(index).Message);
  };
}

interface KustoLanguage {
  readonly Symbols: {
    readonly ScalarTypes: Readonly<Record<'String' | 'DateTime' | 'Bool' | 'Real', unknown>>;
    readonly ColumnSymbol: new (name: string, type: unknown) => unknown;
    readonly TableSymbol: { readonly $ctor4: new (name: string, columns: readonly unknown[]) => unknown };
    readonly DatabaseSymbol: { readonly $ctor1: new (name: string, members: readonly unknown[]) => unknown };
  };
  readonly GlobalState: { readonly Default: { WithDatabase(database: unknown): unknown } };
  readonly KustoCode: {
    ParseAndAnalyze(
      query: string,
      globals: unknown,
    ): { GetDiagnostics(): { readonly Count: number; getItem(index: number): { readonly Message: string } } };
  };
}
