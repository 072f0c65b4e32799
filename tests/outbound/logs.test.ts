// What the log lines of the outbound side never hold.
import { expect, test } from '@jest/globals';
import { logLine } from '../../shared/telemetry/logLine.ts';
import { withoutAddresses } from '../../shared/mail/text.ts';
import { World } from '../models/world.ts';

test('names of fields that a caller made up are not quoted', async () => {
  const world = new World();
  const host = world.host();
  const secret = 'Potilas Virtanen 010190-123A';
  await world.run(
    host.outbound.accept(
      world.submission('a', { [secret]: 1, headers: { [secret]: 'x' }, to: [{ address: 'x', [secret]: 1 }] }),
    ),
  );
  const [line] = world.log.filter(({ name }) => name === 'outbound.rejected');
  expect(line?.fields['fields']).toContain('(unknown)');
  expect(world.log.map(logLine).join('\n')).not.toContain('Virtanen');
});

test('a hold’s line quotes the server without recipients’ addresses, and keeps the mailbox’s own', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({
    refuse: {
      phase: 'mail',
      reply: {
        code: 550,
        enhanced: '5.1.8',
        text: 'Access denied, bad outbound sender desk@example.com for <maija.virtanen@example.org>, päivi@esimerkki.fi.',
      },
    },
  });
  await world.submit(host, 'a');
  await world.answerWakeUps(host);
  const lines = world.log.map(logLine);
  expect(lines.filter((line) => line.includes('outbound.holdPlaced'))).toHaveLength(1);
  expect(lines.join('\n')).not.toMatch(/virtanen|esimerkki|a@example\.org/i);
  expect(lines.join('\n')).toContain('desk@example.com');
});

test.each([
  ['user a@b.example unknown.', 'user (address) unknown.'],
  ['<a@b>, "c d"@e; DESK@example.com.', '<(address)>, (address); DESK@example.com.'],
  ['no address here @ all', 'no address here @ all'],
])('%s', (text, expected) => {
  expect(withoutAddresses(text, ['desk@example.com'])).toBe(expected);
});
