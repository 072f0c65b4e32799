// Each alert's query, run on state lines as the sweep writes them: it is silent while all is well, fires, still fires after
// a week, resolves within 25 minutes, and does not resolve because the lines stop. A planted mistake in it is noticed.
import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inboundEvents } from '../../shared/telemetry/inboundEvents.ts';
import { logLine } from '../../shared/telemetry/logLine.ts';
import type { LogEvent } from '../../shared/telemetry/log.ts';
import { opsEvents } from '../../shared/telemetry/opsEvents.ts';
import { outboundEvents } from '../../shared/telemetry/outboundEvents.ts';
import { runQuery, type Row } from './kusto/interpreter.ts';

const minuteMs = 60_000;
const weekMinutes = 7 * 24 * 60;
/** As overrideQueryTimeRange has it: what a rule looks at. */
const rangeMs = 2 * 24 * 60 * minuteMs;
const start = Date.UTC(2026, 10, 2);

const folder = join(import.meta.dirname, '..', '..', 'infra', 'queries', 'alerts');
const queryOf = (name: string): string => readFileSync(join(folder, `${name}.kql`), 'utf8');

interface Line {
  readonly at: number;
  readonly event: LogEvent;
}

/** What the "let" statements of infra/modules/queries.bicep make of the log: a table for each event. */
function tablesOf(lines: readonly Line[], now: number): Record<string, readonly Row[]> {
  const tables: Record<string, Row[]> = { AppRequests: [] };
  const known = [
    ...Object.values(inboundEvents),
    ...Object.values(opsEvents),
    ...Object.values(outboundEvents),
  ];
  const fieldsOf = new Map(known.map(({ event, fields }) => [event, Object.keys(fields)]));
  for (const event of fieldsOf.keys()) tables[event.replace('.', '_')] = [];
  for (const { at, event } of lines) {
    if (at > now || at < now - rangeMs) continue;
    if (event.name === 'request') {
      tables['AppRequests']?.push({ TimeGenerated: at, ...(event.fields as Row) });
      continue;
    }
    const read = JSON.parse(logLine(event)) as Row;
    const columns = (fieldsOf.get(event.name) ?? []).map((field) => [field, read[field] ?? null]);
    tables[event.name.replace('.', '_')]?.push({
      TimeGenerated: at,
      ...(Object.fromEntries(columns) as Row),
    });
  }
  return tables;
}

const account = 'desk@contoso.example';
const backlog = (changed: Partial<Parameters<typeof outboundEvents.backlog>[0]> = {}): LogEvent =>
  outboundEvents.backlog({
    account,
    oldestDueMs: 0,
    failedCount: 0,
    unresolvedCount: 0,
    unreadableCount: 0,
    isBlocked: false,
    waitingCount: 0,
    hasMore: false,
    holdCount: 0,
    orphanedCount: 0,
    slotCount: 0,
    messagesPerMinute: 30,
    recipientsToday: 0,
    recipientsPerDay: 10_000,
    ...changed,
  });
const mailbox = (changed: Partial<Parameters<typeof opsEvents.mailboxState>[0]> = {}): LogEvent =>
  opsEvents.mailboxState({
    mailbox: account,
    isKnown: true,
    needsConsent: false,
    unreadMs: minuteMs,
    endsInDays: 89,
    ...changed,
  });
const queue = (oldestMs: number): LogEvent =>
  opsEvents.queueState({ queue: 'mail-status', messageCount: 1, oldestMs });
const intake = (changed: Partial<Parameters<typeof opsEvents.intakeState>[0]> = {}): LogEvent =>
  opsEvents.intakeState({
    intake: 'esm-1',
    silentMs: minuteMs,
    isDrained: false,
    waitingCount: 0,
    oldestMs: 0,
    rejectedCount: 0,
    damagedCount: 0,
    isTwin: false,
    ...changed,
  });
const credential = (endsInDays: number): LogEvent =>
  opsEvents.credentialState({ kind: 'secret', endsInDays, detail: 'It expires.' });
const job = (sinceMs: number): LogEvent => opsEvents.jobState({ job: 'prune', sinceMs });
const hourMs = 60 * minuteMs;
const poison = (leftCount: number): LogEvent =>
  outboundEvents.poisonQueue({ queue: 'outbound-mail', movedCount: 0, rejectedCount: 0, leftCount });
const request = (Success: boolean): LogEvent => ({
  name: 'request',
  level: 'info',
  fields: { OperationName: 'sendMail', Success },
});

interface Case {
  readonly alert: string;
  readonly well: readonly LogEvent[];
  /** Just below what fires. */
  readonly nearly?: readonly LogEvent[];
  readonly ill: readonly LogEvent[];
  /** A mistake in the query, and what it makes of a state. */
  readonly planted: readonly [from: string, to: string];
  /** The lines of the cause are themselves what is missing, or written at each failure. */
  readonly endsWithLines?: true;
}

const cases: readonly Case[] = [
  {
    alert: 'mailLate',
    well: [backlog()],
    nearly: [backlog({ oldestDueMs: 15 * minuteMs })],
    ill: [backlog({ oldestDueMs: 16 * minuteMs })],
    planted: ['> 900000', '> 9000000'],
  },
  {
    alert: 'fetchStopped',
    well: [mailbox()],
    nearly: [mailbox({ unreadMs: 15 * minuteMs })],
    ill: [mailbox({ unreadMs: 16 * minuteMs })],
    planted: ['> 900000', '> 9000000'],
  },
  {
    alert: 'consumerStopped',
    well: [queue(0)],
    nearly: [queue(30 * minuteMs)],
    ill: [queue(31 * minuteMs)],
    planted: ['> 1800000', '> 18000000'],
  },
  {
    alert: 'intakeStopped',
    well: [intake()],
    nearly: [
      intake({ silentMs: 5 * minuteMs, oldestMs: 10 * minuteMs }),
      intake({ intake: 'esm-old', isDrained: true, silentMs: 60 * minuteMs }),
    ],
    ill: [intake({ silentMs: 6 * minuteMs })],
    planted: ['> 300000', '> 3000000000'],
  },
  {
    alert: 'intakeAttention',
    well: [intake()],
    nearly: [intake({ certificateDaysLeft: 14 })],
    ill: [intake({ certificateDaysLeft: 13 })],
    planted: ['< 14', '< 4'],
  },
  {
    alert: 'consentNeeded',
    well: [mailbox()],
    ill: [mailbox({ needsConsent: true, detail: 'Sign in.' })],
    planted: ['where needsConsent', 'where needsConsent == false'],
  },
  {
    alert: 'grantEnding',
    well: [mailbox()],
    nearly: [mailbox({ endsInDays: 30 })],
    ill: [mailbox({ endsInDays: 29 })],
    planted: ['< 30', '< 20'],
  },
  {
    alert: 'credentialEnding',
    well: [mailbox(), credential(100)],
    nearly: [mailbox(), credential(30)],
    ill: [mailbox(), credential(29)],
    planted: ['< 30', '< 20'],
  },
  {
    alert: 'hold',
    well: [backlog()],
    nearly: [backlog({ holdCount: 1, holdReason: 'quota', holdMs: 5 * minuteMs })],
    ill: [backlog({ holdCount: 1, holdReason: 'signIn', holdMs: 6 * minuteMs })],
    planted: ['holdCount > 0', 'holdCount > 1'],
  },
  {
    alert: 'deadLetter',
    well: [backlog()],
    ill: [backlog({ failedCount: 1 })],
    planted: ['> 0', '> 1'],
  },
  {
    alert: 'inDoubt',
    well: [backlog()],
    ill: [backlog({ unresolvedCount: 1 })],
    planted: ['> 0', '> 1'],
  },
  {
    alert: 'unreadable',
    well: [backlog()],
    ill: [backlog({ unreadableCount: 1 })],
    planted: ['> 0', '> 1'],
  },
  {
    alert: 'connectionsOrphaned',
    well: [backlog()],
    ill: [backlog({ isBlocked: true, orphanedCount: 3 })],
    planted: ['where isBlocked', 'where orphanedCount > 3'],
  },
  {
    alert: 'dayQuota',
    well: [backlog()],
    nearly: [backlog({ recipientsToday: 7_999 })],
    ill: [backlog({ recipientsToday: 8_000 })],
    planted: ['>=', '>'],
  },
  { alert: 'poison', well: [poison(0)], ill: [poison(1)], planted: ['> 0', '> 1'] },
  {
    alert: 'accountUnreadable',
    well: [],
    ill: [outboundEvents.accountUnreadable({ account, detail: 'Another version.' })],
    planted: ['> ago(15m)', '< ago(15m)'],
    endsWithLines: true,
  },
  {
    alert: 'invocationsFailed',
    well: [request(true)],
    ill: [request(false)],
    planted: ['== false', '== true'],
    endsWithLines: true,
  },
  {
    alert: 'jobStopped',
    well: [mailbox(), job(hourMs)],
    nearly: [mailbox(), job(36 * hourMs)],
    ill: [mailbox(), job(37 * hourMs)],
    planted: ['> 129600000', '> 1296000000'],
  },
  {
    alert: 'rejected',
    well: [],
    ill: [outboundEvents.rejected({ id: 'INC-1', fields: 'to' })],
    planted: ['> ago(15m)', '< ago(15m)'],
    endsWithLines: true,
  },
  {
    alert: 'eventQuarantined',
    well: [],
    ill: [outboundEvents.eventQuarantined({ account, event: 'e', blob: 'b', detail: 'Too long.' })],
    planted: ['> ago(15m)', '< ago(15m)'],
    endsWithLines: true,
  },
  {
    alert: 'sweepStopped',
    well: [mailbox()],
    ill: [],
    planted: ['lines == 0', 'lines == 1'],
    endsWithLines: true,
  },
];

/** The same events in each minute, from one minute up to another. */
const during = (events: readonly LogEvent[], from: number, to: number): readonly Line[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, minute) => start + (from + minute) * minuteMs).flatMap(
    (at) => events.map((event) => ({ at, event })),
  );

function isFiring(query: string, lines: readonly Line[], minute: number): boolean {
  const now = start + minute * minuteMs;
  return runQuery(query, tablesOf(lines, now), now).length > 0;
}

test('every alert has a case', () => {
  expect(cases).toHaveLength(21);
});

describe.each(cases)('$alert', ({ alert, well, nearly, ill, planted, endsWithLines }) => {
  const query = queryOf(alert);
  const before = 60;
  const illEnd = before + weekMinutes;
  // Of the week its first and its last hour are written out: between them each minute is like the others.
  const lines = [
    ...during(well, 0, before),
    ...during(ill, before, before + 60),
    ...during(ill, illEnd - 60, illEnd),
    ...during(well, illEnd, illEnd + 60),
  ];

  test('is silent while all is well', () => {
    expect(isFiring(query, during(well, 0, before), before - 1)).toBe(false);
    if (nearly !== undefined) expect(isFiring(query, during(nearly, 0, before), before - 1)).toBe(false);
  });

  test('fires, and still after a week', () => {
    expect(isFiring(query, lines, before + 20)).toBe(true);
    expect(isFiring(query, lines, illEnd - 1)).toBe(true);
  });

  test('resolves within 25 minutes', () => {
    expect(isFiring(query, lines, illEnd + 20)).toBe(false);
  });

  test('does not resolve because the lines stop', () => {
    if (endsWithLines) return;
    const stopped = lines.filter(({ at }) => at < start + illEnd * minuteMs);
    expect(isFiring(query, stopped, illEnd + 24 * 60)).toBe(true);
  });

  test('is silent during maintenance, and fires again when that has ended', () => {
    const quiet = (endsInMs: number): readonly LogEvent[] => [
      opsEvents.maintenance({ kind: 'installation', name: 'installation', endsInMs }),
      opsEvents.maintenance({ kind: 'mailbox', name: account, endsInMs }),
      opsEvents.maintenance({ kind: 'account', name: account, endsInMs }),
    ];
    const cause = during(ill, 0, 120);
    expect(isFiring(query, cause, 40)).toBe(true);
    // An hour, of which each line says what is left; then that it has ended.
    const left = (minute: number): number => (80 - minute) * minuteMs;
    const said = Array.from({ length: 120 }, (_, minute) => during(quiet(left(minute)), minute, minute + 1));
    expect(isFiring(query, [...cause, ...said.slice(20).flat()], 40)).toBe(false);
    expect(isFiring(query, [...cause, ...said.slice(20).flat()], 110)).toBe(true);
    // The lines stop with the app, as during a deployment: what was said holds until its end, and no longer.
    expect(isFiring(query, [...cause, ...said.slice(20, 30).flat()], 70)).toBe(false);
    expect(isFiring(query, [...cause, ...said.slice(20, 30).flat()], 100)).toBe(true);
    // Ended by a person before its time.
    const ended = during(quiet(-minuteMs), 35, 36);
    expect(isFiring(query, [...cause, ...said.slice(20, 35).flat(), ...ended], 40)).toBe(true);
  });

  test('maintenance of another mailbox changes nothing', () => {
    const other = during(
      [
        opsEvents.maintenance({ kind: 'mailbox', name: 'sales@contoso.example', endsInMs: hourMs }),
        opsEvents.maintenance({ kind: 'account', name: 'sales@contoso.example', endsInMs: hourMs }),
      ],
      0,
      60,
    );
    expect(isFiring(query, [...during(ill, 0, 60), ...other], 40)).toBe(true);
  });

  test('a planted mistake is noticed', () => {
    const [from, to] = planted;
    expect(query).toContain(from);
    const wrong = query.replace(from, to);
    const noticed = [
      isFiring(wrong, lines, before - 1),
      !isFiring(wrong, lines, before + 20),
      !isFiring(wrong, lines, illEnd - 1),
      isFiring(wrong, lines, illEnd + 20),
    ];
    expect(noticed).toContain(true);
  });
});

test('an intake whose mail waits for more than ten minutes fires though it reports', () => {
  const lines = during([intake({ waitingCount: 1, oldestMs: 11 * minuteMs })], 0, 10);
  expect(isFiring(queryOf('intakeStopped'), lines, 9)).toBe(true);
});

test.each([{ rejectedCount: 1 }, { damagedCount: 1 }, { isTwin: true }])(
  'an intake with %j needs a person',
  (trouble) => {
    expect(isFiring(queryOf('intakeAttention'), during([intake(trouble)], 0, 10), 9)).toBe(true);
  },
);

test('a mailbox that was never fetched fires after 15 minutes', () => {
  const lines = during([mailbox({ unreadMs: -1 })], 0, 60);
  expect(isFiring(queryOf('fetchStopped'), lines, 10)).toBe(false);
  expect(isFiring(queryOf('fetchStopped'), lines, 20)).toBe(true);
});

test('a mailbox that was taken out of the settings has no alert a quarter of an hour later', () => {
  const other = mailbox({ mailbox: 'sales@contoso.example', unreadMs: 20 * minuteMs });
  const lines = [...during([mailbox(), other], 0, 60), ...during([mailbox()], 60, 120)];
  expect(isFiring(queryOf('fetchStopped'), lines, 59)).toBe(true);
  expect(isFiring(queryOf('fetchStopped'), lines, 75)).toBe(false);
});

test('a mailbox whose state can’t be read keeps what was last known', () => {
  const unknown = opsEvents.mailboxState({ mailbox: account, isKnown: false, needsConsent: false });
  const lines = [...during([mailbox({ needsConsent: true })], 0, 60), ...during([unknown], 60, 120)];
  expect(isFiring(queryOf('consentNeeded'), lines, 119)).toBe(true);
});
