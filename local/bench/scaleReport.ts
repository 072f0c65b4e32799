// The figures and goals of how far one app carries. Pure.
import type { IdleFigures } from './idle.ts';
import type { LiftedFigures } from './lifted.ts';
import type { OpsFigures } from './ops.ts';
import type { ManyFigures } from './many.ts';
import { atLeast, atMost, judged, type Figure, type Report } from './report.ts';
import type { StartFigures } from './startTime.ts';

type ScaleReport = Pick<Report, 'ok' | 'rows' | 'json'>;

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
const reported: Pick<Figure, 'should' | 'good'> = { should: 'reported', good: () => true };

export function manyReport(figures: ManyFigures): ScaleReport {
  const { size, worstPerMinute, mostInAnyPeriod, mostConnections, pickUpMsP99, callsPerSubmission } = figures;
  const how = `${String(size.accountCount)} accounts with a backlog, ${String(size.minutes)} min, latency 1.5 s`;
  const fetch = `${String(size.fetchedCount)} mailboxes with a new mail each`;
  const pickUps = `${String(size.pickUpCount)} messages of one more account, meanwhile`;
  return {
    ...judged([
      {
        what: 'sustained a minute, worst account',
        how,
        value: worstPerMinute,
        digits: 2,
        ...atLeast(28),
      },
      { what: 'most messages in any 60 s, any account', how, value: mostInAnyPeriod, ...atMost(30) },
      { what: 'most connections of an account', how, value: mostConnections, ...atMost(3) },
      {
        what: 'pick-up on an idle account, p99',
        how: pickUps,
        value: pickUpMsP99 / 1_000,
        unit: ' s',
        digits: 2,
        ...atMost(5),
      },
      { what: 'storage calls a submission', how, value: callsPerSubmission, digits: 2, ...reported },
      {
        what: 'time of a run',
        how: fetch,
        value: figures.fetchMs / 1_000,
        unit: ' s',
        digits: 1,
        ...atMost(60),
      },
      { what: 'storage calls of a run', how: fetch, value: figures.fetchCalls, ...atMost(600) },
    ]),
    json: {
      worstSustainedPerMinute: round(worstPerMinute, 2),
      mostInAnyPeriod,
      idlePickUpSecondsP99: round(pickUpMsP99 / 1_000, 2),
      callsPerSubmission: round(callsPerSubmission, 2),
      fetchOf100Seconds: round(figures.fetchMs / 1_000, 1),
      fetchOf100Calls: figures.fetchCalls,
    },
  };
}

export function liftedReport(figures: LiftedFigures): ScaleReport {
  const { accountCount, messages, barePerSecond, instantPerSecond, emulatorPerSecond } = figures;
  const how = `${String(accountCount)} accounts, ${String(messages)} messages each, limits lifted`;
  const ratio = instantPerSecond / barePerSecond;
  return {
    ...judged([
      {
        what: 'messages a second, bare nodemailer pools',
        how: `${how}; as many connections`,
        value: barePerSecond,
        ...reported,
      },
      {
        what: 'messages a second, a store that answers at once',
        how,
        value: instantPerSecond,
        ...reported,
      },
      {
        what: 'messages a second, the storage emulator',
        how,
        value: emulatorPerSecond,
        digits: 1,
        ...reported,
      },
      {
        what: 'ratio to the bare pools',
        how: 'a store that answers at once',
        value: 100 * ratio,
        unit: ' %',
        ...atLeast(40),
      },
    ]),
    json: {
      ratioToBarePool: round(ratio, 3),
      barePerSecond: round(barePerSecond, 1),
      instantPerSecond: round(instantPerSecond, 1),
      emulatorPerSecond: round(emulatorPerSecond, 1),
    },
  };
}

export function opsReport(figures: OpsFigures): ScaleReport {
  const { size, callCount, answerMsP50, ownMsP50, ownMsMost, pageBytes } = figures;
  const how = `${String(size.mailboxCount)} mailboxes, ${String(size.finishedCount)} finished messages`;
  return {
    ...judged([
      { what: 'storage calls of the first screen', how, value: callCount, ...atMost(8) },
      { what: 'own time of the first screen, p50 (ms)', how, value: ownMsP50, ...atMost(300) },
      { what: 'own time, most (ms)', how, value: ownMsMost, ...reported },
      { what: 'whole answer, p50 (ms)', how, value: answerMsP50, ...reported },
      { what: 'size of the page (bytes)', how, value: pageBytes, ...reported },
    ]),
    json: { callCount, ownMsP50: round(ownMsP50, 1), answerMsP50: round(answerMsP50, 1), pageBytes },
  };
}

export function idleReport(figures: IdleFigures): ScaleReport & { readonly calls: Report['rows'] } {
  const { mailboxCount, minutes, tally, callsPerMailboxAndHour, callsWithPolls } = figures;
  const how = `${String(mailboxCount)} mailboxes without mail, ${String(minutes)} min`;
  return {
    ...judged([
      { what: 'storage calls a mailbox and hour', how, value: callsPerMailboxAndHour, ...atMost(200) },
      {
        what: 'the same with the polls of the queue triggers, which all share',
        how,
        value: callsWithPolls,
        ...reported,
      },
    ]),
    calls: tally.byName.map(([name, count]) => [name, String(count)]),
    json: {
      callsPerMailboxAndHour: round(callsPerMailboxAndHour, 1),
      callsWithPolls: round(callsWithPolls, 1),
    },
  };
}

export function startReport({ rounds, appMs, emptyMs }: StartFigures): ScaleReport {
  const how = `spawn to functions known, median of ${String(rounds)}, local worker`;
  const ratio = appMs / emptyMs;
  return {
    ...judged([
      { what: 'the package', how, value: appMs, unit: ' ms', ...reported },
      { what: 'an app of three empty functions', how, value: emptyMs, unit: ' ms', ...reported },
      { what: 'ratio', how, value: ratio, digits: 2, ...atMost(1.5) },
    ]),
    json: { metadataRatio: round(ratio, 2), appMs: round(appMs, 0), emptyMs: round(emptyMs, 0) },
  };
}
