// An event that is too long for a queue message, and where the whole of it lies.
import { expect, test } from '@jest/globals';
import { defaultNumbers } from '../../shared/outbound/numbers.ts';
import { eventSchema } from '../../shared/contract/statusCloudEvent.ts';
import type { StatusEvent } from '../../shared/contract/statusEvent.ts';
import { eventText } from '../../shared/outbound/store/writes.ts';
import { MemoryBlobs, MemoryContents } from '../models/memoryContents.ts';
import { Wire } from '../models/memoryRows.ts';
import { VirtualClock } from '../models/virtualClock.ts';

const sent = (recipients: number): StatusEvent => ({
  type: 'mail.sent',
  submissionId: 'CHG-1',
  sequence: 2,
  mailbox: 'desk@example.com',
  at: Date.UTC(2026, 10, 25),
  recipients: Array.from({ length: recipients }, (_, at) => ({
    address: `user${at}@example.net`,
    state: 'sent',
    attempt: 1,
    code: 250,
    detail: '2.1.5 Recipient OK',
  })),
});

async function writeOf(recipients: number): Promise<{ readonly text: string; readonly blobs: MemoryBlobs }> {
  const [blobs, world] = [new MemoryBlobs(), new VirtualClock()];
  const wire = new Wire(world, world.host(), { observe: () => undefined });
  const contents = new MemoryContents(blobs, wire, world);
  const text = await world.run(eventText(sent(recipients), { contents, numbers: defaultNumbers }));
  return { text, blobs };
}

test('a short one is published as it is', async () => {
  const { text, blobs } = await writeOf(40);
  expect(JSON.parse(text)).toMatchObject({ data: { recipients: { length: 40 } } });
  expect(blobs.stored.size).toBe(0);
});

test('a long one names a blob that holds the whole', async () => {
  const { text, blobs } = await writeOf(1_000);
  const event = eventSchema('mail.sent').parse(JSON.parse(text)) as { data: { whole?: { blob: string } } };
  expect(text.length).toBeLessThan(2_000);
  expect(event).not.toHaveProperty('data.recipients');
  const [[name, stored] = []] = [...blobs.stored];
  expect(event.data.whole?.blob).toBe(`outbound-content/${name ?? ''}`);
  const whole: unknown = JSON.parse(Buffer.from(stored?.bytes ?? []).toString());
  expect(eventSchema('mail.sent').safeParse(whole).success).toBe(true);
  expect(whole).toMatchObject({ id: 'CHG-1/2', data: { recipients: { length: 1_000 } } });
});
