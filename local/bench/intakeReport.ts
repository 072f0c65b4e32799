// The intake's figures beside what they should be.
import type { IntakeFigures } from './intake.ts';

export interface IntakeReport {
  readonly rows: readonly (readonly string[])[];
  readonly json: IntakeFigures;
  readonly ok: boolean;
}

export function intakeReport(figures: IntakeFigures): IntakeReport {
  const { perSecond, processorMs, answerMs, withLogins, peakMebibytes, lostCount } = figures;
  const lines: readonly (readonly [
    what: string,
    how: string,
    figure: string,
    should: string,
    ok: boolean,
  ])[] = [
    ['messages a second', '10 connections kept open', String(perSecond), 'at least 200', perSecond >= 200],
    [
      'processor time',
      'of the intake, a message in and on',
      `${processorMs} ms`,
      'at most 5',
      processorMs <= 5,
    ],
    [
      '250 after the dot',
      'median, 99 %, most',
      `${answerMs.median}, ${answerMs.p99}, ${answerMs.most} ms`,
      'most below 1 s',
      answerMs.most < 1_000,
    ],
    [
      'with log-ins',
      `${withLogins.loginsCount} wrong passwords`,
      `${withLogins.perSecond} a second, 99 % in ${withLogins.p99Ms} ms`,
      '99 % below 1 s',
      withLogins.p99Ms < 1_000,
    ],
    [
      'memory',
      '4 large messages in and on at once, twice',
      `${peakMebibytes} MiB`,
      'at most 300',
      peakMebibytes <= 300,
    ],
    ['lost', 'answered with 250, not at the bridge', String(lostCount), '0', lostCount === 0],
  ];
  return {
    rows: lines.map(([what, how, figure, should, ok]) => [what, how, figure, should, ok ? 'ok' : 'NO']),
    json: figures,
    ok: lines.every(([, , , , ok]) => ok),
  };
}
