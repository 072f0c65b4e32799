// The samples of local/samples/, which users copy from: each is accepted or rejected as the demo's table states.
import { expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mailboxes, plannedBurst, plannedSamples, reportBlob } from '../../local/demo/scenario.ts';
import { readSettings } from '../../shared/config/readSettings.ts';
import type { SubmissionContext } from '../../shared/contract/submission.ts';
import { parseSubmission } from '../../shared/contract/submission.ts';
import { containerNames } from '../../shared/storage/names.ts';

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'local', 'samples');
const files = readdirSync(folder).sort();
const planned = plannedSamples();

const read = (...path: readonly string[]): unknown => JSON.parse(readFileSync(join(root, ...path), 'utf8'));
const good = read('tests', 'config', 'goodSettings.json') as { readonly settings: Record<string, string> };
const answer = readSettings({
  ...(read('infra', 'settings.json') as Record<string, string>),
  ...good.settings,
  MAILBOXES: JSON.stringify(mailboxes),
});
if (answer.kind !== 'ok') throw new Error(JSON.stringify(answer));
const { settings } = answer;
const context: SubmissionContext = {
  mailboxes: settings.mailboxes,
  maxima: settings.submissions,
  uploadContainer: settings.uploadContainer,
};

test('each file is in the demo’s table, under an id of its own', () => {
  expect(files.every((name) => /^\d\d-[a-z-]+\.json$/.test(name))).toBe(true);
  expect(planned).toHaveLength(files.length);
  expect(new Set(planned.map(({ id }) => id)).size).toBe(files.length);
  // A file that the table does not know would have its own name for a description.
  expect(planned.filter(({ what }) => files.includes(what))).toEqual([]);
});

test.each(planned.map((one, index) => [files[index] ?? '', one] as const))('%s', (name, { end, mailbox }) => {
  const parsed = parseSubmission(readFileSync(join(folder, name), 'utf8'), context);
  if (end === 'sent') {
    if (parsed.kind === 'rejected') throw new Error(JSON.stringify(parsed.problems));
    expect(parsed.submission.mailbox).toBe(mailbox);
    return;
  }
  expect(parsed).toMatchObject({ kind: 'rejected' });
});

test('the malformed one gets every problem, the one to an unknown mailbox only that one', () => {
  const problems = (id: string): readonly string[] => {
    const sample = planned.find((one) => one.id === id)?.submission;
    const parsed = parseSubmission(sample, context);
    return parsed.kind === 'rejected' ? parsed.problems.map(({ field }) => field).sort() : [];
  };
  expect(problems('INC-2050.broken')).toEqual(['subject', 'to[0]', 'txt']);
  expect(problems('INC-2051.reply-1')).toEqual(['mailbox']);
});

test('the one with an attachment by reference refers to the blob that is uploaded for it', () => {
  const sample = planned.find(({ id }) => id === 'RPT-2026-11')?.submission;
  expect(JSON.stringify(sample)).toContain(`"blob":"${containerNames.outboundUploads}/${reportBlob}"`);
});

test('every message of the burst is accepted', () => {
  for (const { submission } of plannedBurst()) {
    expect(parseSubmission(submission, context).kind).not.toBe('rejected');
  }
});
