// The page for ESM's integrators says what the code does.
import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { noticeSchema } from '../../shared/contract/notice.ts';
import { defaultNumbers } from '../../shared/outbound/numbers.ts';
import { eventData } from '../../shared/contract/statusCloudEvent.ts';
import { parseSubmission } from '../../shared/contract/submission.ts';
import { containerNames, queueNames } from '../../shared/storage/names.ts';
import { mailboxOf } from '../inbound/rig.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'contract.md'), 'utf8');
const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');
const context = {
  mailboxes: [mailboxOf('servicedesk@example.com')],
  maxima: { recipientsCount: 500, contentBytes: 35 * 1024 * 1024 },
  uploadContainer: containerNames.outboundUploads,
};

const jsonIn = (text: string): readonly string[] =>
  [...text.matchAll(/```json\n([^]*?)```/g)].map(([, json = '']) => json);

test.each([
  ['this page', page],
  ['the README', readme],
])('the submission of %s is accepted', (_name, text) => {
  const submissions = jsonIn(text).map((json) => parseSubmission(json, context));
  expect(submissions).toEqual([expect.objectContaining({ kind: 'ok' })]);
});

test('every event, queue and container that ESM meets is there, and no other', () => {
  const named = new Set(page.match(/`(?:mail(?:box)?\.[a-zA-Z]+|(?:mail|inbound|outbound)-[a-z-]+)`/g));
  expect([...named].map((name) => name.slice(1, -1)).sort()).toEqual(
    [
      ...Object.keys(eventData),
      noticeSchema.shape.type.value,
      queueNames.outboundMail,
      queueNames.mailStatus,
      queueNames.inboundMail,
      ...Object.values(containerNames),
    ].sort(),
  );
});

test('the numbers are the code’s', () => {
  const days = (ms: number): number => ms / 86_400_000;
  expect(page).toContain(`\`RETENTION_DAYS\` (${String(days(defaultNumbers.retentionMs))})`);
  expect(days(defaultNumbers.blobAgeMs)).toBe(3);
  expect(page).toContain('within three days of the event');
});
