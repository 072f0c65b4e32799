// What the alerts leave out: a mailbox, the installation, and an account whose mailboxes are all left out.
import { expect, test } from '@jest/globals';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import { installation, quietOf, type MaintenancePeriod } from '../../shared/ops/maintenance.ts';
import { mailbox } from '../models/world.ts';
import { administrator, bearer, operatorRig, viewer } from './operatorRig.ts';

const mailboxes = [
  mailbox('desk@example.com'),
  mailbox('hr@example.com', { smtpUser: 'desk@example.com' }),
  mailbox('Sales@example.com'),
];
const settings = { mailboxes, accounts: groupAccounts(mailboxes) };
const period = (name: string, until: number): MaintenancePeriod => ({ name, until, by: 'anna', reason: '' });
const named = (...periods: readonly MaintenancePeriod[]): readonly string[] =>
  quietOf(periods, settings).map(({ kind, name, until }) => `${kind} ${name} ${String(until)}`);

test('an account is left out when each of its mailboxes is, until the first of them ends', () => {
  expect(named()).toEqual([]);
  expect(named(period('sales@example.com', 5))).toEqual([
    'mailbox Sales@example.com 5',
    'account sales@example.com 5',
  ]);
  expect(named(period('desk@example.com', 5))).toEqual(['mailbox desk@example.com 5']);
  expect(named(period('desk@example.com', 5), period('hr@example.com', 3))).toEqual([
    'mailbox desk@example.com 5',
    'mailbox hr@example.com 3',
    'account desk@example.com 3',
  ]);
});

test('the installation is everything; a mailbox may last longer', () => {
  expect(named(period(installation, 5), period('sales@example.com', 9))).toEqual([
    'installation installation 5',
    'mailbox desk@example.com 5',
    'mailbox hr@example.com 5',
    'mailbox Sales@example.com 9',
    'account desk@example.com 5',
    'account sales@example.com 9',
  ]);
});

test('by the API: begun, shown to a viewer, ended, and in the audit trail; an unknown mailbox and a week are refused', async () => {
  const rig = operatorRig();
  const post = (body: object, role = administrator): ReturnType<typeof rig.ask> =>
    rig.ask({ method: 'POST', path: 'maintenance', body, headers: bearer(role) });
  const begun = await post({ mailbox: 'DESK@example.com', minutes: 60, reason: 'moving the mailbox' });
  expect(begun.answer.status).toBe(200);
  expect(begun.body).toMatchObject({ name: 'desk@example.com', by: 'anna@example.com' });
  const shown = await rig.ask({ path: 'maintenance', headers: bearer(viewer) });
  expect(shown.body).toMatchObject({ periods: [{ name: 'desk@example.com', reason: 'moving the mailbox' }] });
  expect((await post({ mailbox: 'desk@example.com', minutes: 0 })).answer.status).toBe(200);
  expect((await post({ minutes: 30 })).body).toMatchObject({ name: installation });
  expect((await post({ mailbox: 'nobody@example.com', minutes: 1 })).answer.status).toBe(404);
  expect((await post({ minutes: 10_080 })).answer.status).toBe(422);
  expect((await post({ minutes: 30 }, viewer)).answer.status).toBe(403);
  const { body } = await rig.ask({ path: 'audit' });
  expect((body['entries'] as readonly { readonly action: string }[]).map(({ action }) => action)).toEqual(
    expect.arrayContaining(['maintenance', 'end maintenance']),
  );
});
