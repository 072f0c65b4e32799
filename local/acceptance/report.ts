// A run's report: a line for each check on a terminal of 80 columns, and Markdown to keep.
import type { AcceptanceReport, CheckReport } from './acceptance.ts';
import type { Outcome } from './check.ts';
import { whereToSend } from './questions.ts';

const columns = 80;
const words: Readonly<Record<Outcome, string>> = { passed: 'ok', failed: 'FAILED', notDone: 'not done' };

/** Mark, title and time, then the detail, and for a check that did not pass its remedy. */
export function lineOf({ outcome, title, tookMs, detail, remedy, id }: CheckReport): string {
  const time = `${(tookMs / 1_000).toFixed(0)} s`;
  const head = `${words[outcome].padEnd(9)}${title}`;
  const space = ' '.repeat(Math.max(1, columns - head.length - time.length));
  return [
    `${head}${space}${time}`,
    ...wrapped(detail, 9),
    ...(outcome === 'passed' || remedy === undefined ? [] : wrapped(`→ ${remedy}`, 9)),
    ...(outcome === 'failed' ? wrapped(`again: --only ${id}`, 9) : []),
  ].join('\n');
}

export function summaryOf(report: AcceptanceReport): string {
  const { passedCount, failedCount, notDoneCount, tookMs, answers, left } = report;
  return [
    `${String(passedCount)} passed, ${String(failedCount)} failed, ${String(notDoneCount)} not done, in ${minutes(tookMs)}`,
    '',
    'Answers about Exchange Online',
    ...answers.answered.flatMap(({ question, answer }) => [
      ...wrapped(question, 2),
      ...wrapped(`→ ${answer}`, 4),
    ]),
    '',
    'Still open',
    ...answers.open.flatMap(({ question, way }) => [...wrapped(question, 2), ...wrapped(`→ ${way}`, 4)]),
    '',
    ...wrapped(whereToSend, 0),
    '',
    'Left behind',
    ...left.flatMap((one) => wrapped(one, 2)),
  ].join('\n');
}

export function markdownOf(report: AcceptanceReport): string {
  const { app, mailbox, startedAt, version, run, tookMs, checks, answers, left } = report;
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');
  return [
    `# Acceptance of ${app}`,
    '',
    `Mailbox ${mailbox}, ${startedAt}, run ${run}, version ${version} of the checkout, ${minutes(tookMs)}.`,
    `${String(report.passedCount)} passed, ${String(report.failedCount)} failed, ${String(report.notDoneCount)} not done.`,
    '',
    '| Check | Result | Detail | Remedy | Seconds |',
    '| --- | --- | --- | --- | --- |',
    ...checks.map(
      ({ title, outcome, detail, remedy, tookMs: ms }) =>
        `| ${cell(title)} | ${words[outcome]} | ${cell(detail)} | ${outcome === 'passed' ? '' : cell(remedy ?? '')} | ${(ms / 1_000).toFixed(1)} |`,
    ),
    '',
    '## Answers about Exchange Online',
    '',
    '| Question | Answer |',
    '| --- | --- |',
    ...answers.answered.map(({ question, answer }) => `| ${cell(question)} | ${cell(answer)} |`),
    '',
    '## Still open',
    '',
    '| Question | Way to an answer |',
    '| --- | --- |',
    ...answers.open.map(({ question, way }) => `| ${cell(question)} | ${cell(way)} |`),
    '',
    whereToSend,
    '',
    '## Left behind',
    '',
    ...left.map((one) => `- ${one}`),
    '',
  ].join('\n');
}

const minutes = (ms: number): string =>
  ms < 120_000 ? `${(ms / 1_000).toFixed(0)} s` : `${(ms / 60_000).toFixed(0)} min`;

/** Lines of at most 80 characters, indented; a longer word has a line of its own. */
function wrapped(text: string, indent: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((one) => one !== '')) {
    if (line !== '' && indent + line.length + 1 + word.length > columns) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((one) => `${' '.repeat(indent)}${one}`);
}
