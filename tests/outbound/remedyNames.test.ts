// What an administrator reads of a hold names the mailbox and its login, so that a command can be copied as it is.
import { expect, test } from '@jest/globals';
import { mailbox, World } from '../models/world.ts';

test.each([
  {
    named: 'a right that the login lacks',
    refuse: {
      phase: 'mail',
      reply: {
        code: 550,
        enhanced: '5.7.60',
        text: 'SMTP; Client does not have permissions to send as this sender',
      },
    },
    says: 'Add-RecipientPermission -Identity hr@example.com -Trustee desk@example.com ',
  },
  {
    named: 'SMTP AUTH that is off',
    refuse: {
      phase: 'auth',
      reply: {
        code: 535,
        enhanced: '5.7.139',
        text: 'Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.',
      },
    },
    says: 'Set-CASMailbox -Identity desk@example.com ',
  },
] as const)('the remedy of a hold names real addresses: $named', async ({ refuse, says }) => {
  const world = new World([
    mailbox('desk@example.com'),
    mailbox('hr@example.com', { smtpUser: 'desk@example.com' }),
  ]);
  const host = world.host();
  world.server.dialogPlan = () => ({ refuse });
  await world.submit(host, 'a', { mailbox: 'hr@example.com', from: 'hr@example.com' });
  await world.answerWakeUps(host);
  const { state } = await world.run(host.outbound.watch('desk@example.com'));
  expect(state.holds[0]?.remedy).toContain(says);
  expect(state.holds[0]?.remedy).not.toMatch(/ADDRESS|SMTP_USER/);
});
