// A made-up Saturday morning for the pictures: one mailbox works, one has lost a right, one is paused.
import { hourMs, hourOf } from '../../shared/mail/hourCounts.ts';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import type { OverviewInput } from '../../shared/ops/overview.ts';
import type { AccountSummary } from '../../shared/outbound/operator/summaries.ts';

export const sampleNow = Date.UTC(2026, 10, 28, 7, 45);
const minuteMs = 60_000;

const mailbox = (address: string): Mailbox => ({
  address,
  signIn: 'application',
  imapUser: address,
  smtpUser: address,
  send: true,
  receive: true,
  folder: 'INBOX',
  afterFetch: { kind: 'move', folder: 'Fetched' },
  fetchFrom: { kind: 'now' },
  limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
});
const [desk, hr, library] = ['palvelupiste', 'hr', 'kirjasto'].map((name) => `${name}@kunta.example`) as [
  string,
  string,
  string,
];
const mailboxes = [desk, hr, library].map(mailbox);

const count = (value: number): { readonly count: number; readonly more: false } => ({
  count: value,
  more: false,
});
const hour = hourOf(sampleNow);

function summary(
  address: string,
  { waiting = 0, failed = 0, today }: { waiting?: number; failed?: number; today: number },
  board: Partial<AccountSummary['board']>,
): AccountSummary {
  return {
    account: address,
    at: sampleNow - 20_000,
    backlog: {
      at: sampleNow,
      etag: '',
      waiting: count(waiting),
      inDoubt: count(0),
      unresolved: count(0),
      failed: count(failed),
      unreadable: count(0),
    },
    slotsInUse: waiting > 0 ? 0 : 4,
    messagesPerMinute: 30,
    recipientsToday: today,
    recipientsPerDay: 10_000,
    activeCount: 0,
    board: { hours: [], attention: [], lastSent: [], holds: [], ...board },
  };
}

const received = (counts: Readonly<Record<string, number>>, readMs = 30_000) => ({
  lastSuccessAt: sampleNow - readMs,
  firstRunAt: 1,
  failureCount: 0,
  detail: '',
  hasMore: false,
  hours: [{ hour: hour - 3, of: '', counts }],
  sortedOut: [],
});

export const sampleOverview: OverviewInput = {
  mailboxes: groupAccounts(mailboxes).flatMap((account) => account.mailboxes),
  summaries: [
    summary(
      desk,
      { failed: 1, today: 7_240 },
      {
        hours: [
          { hour: hour - 1, of: `${desk} `, counts: { sent: 212, failed: 1, bounced: 1, recipients: 260 } },
          { hour: hour - 9, of: `${desk} reports`, counts: { sent: 90, recipients: 6_980 } },
        ],
        lastSent: [{ mailbox: desk, at: sampleNow - 2 * minuteMs }],
        attention: [
          {
            list: 'failed',
            id: 'INC-2041.reply-1',
            mailbox: desk,
            state: 'failed',
            at: sampleNow - 3 * hourMs,
            detail: 'There is no such recipient. The server said: 550 5.1.10 Recipient not found.',
            ticket: 'INC-2041',
            mayBeSent: false,
          },
          {
            list: 'bounced',
            id: 'INC-1997.close',
            mailbox: desk,
            state: 'sent',
            at: sampleNow - 5 * hourMs,
            detail: 'Returned: matti@yritys.example (mailboxFull, 5.2.2, permanent).',
            ticket: 'INC-1997',
            mayBeSent: false,
          },
        ],
      },
    ),
    summary(
      hr,
      { waiting: 14, today: 31 },
      {
        hours: [{ hour: hour - 12, of: `${hr} `, counts: { sent: 22, recipients: 31 } }],
        lastSent: [{ mailbox: hr, at: sampleNow - 11 * hourMs }],
        oldestDueAt: sampleNow - 40 * minuteMs,
        holds: [
          {
            mailbox: hr,
            reason: 'sendAs',
            detail: 'The account may not send as this mailbox.',
            remedy: `In Exchange Online PowerShell: Add-RecipientPermission -Identity ${hr} -Trustee ${hr} -AccessRights SendAs.`,
            since: sampleNow - 40 * minuteMs,
          },
        ],
      },
    ),
    summary(library, { today: 4 }, { lastSent: [{ mailbox: library, at: sampleNow - 26 * hourMs }] }),
  ],
  boards: {
    at: sampleNow - 20_000,
    mailboxes: [
      {
        address: desk,
        receiving: received({ received: 64, delivered: 51, 'kind:autoReply': 9, 'kind:bounce': 4 }),
      },
      { address: hr, receiving: received({ received: 7, delivered: 7 }) },
      { address: library, receiving: received({ received: 2, delivered: 1, 'kind:autoReply': 1 }) },
    ],
    queues: [
      { queue: 'inbound-mail', messageCount: 0 },
      { queue: 'mail-status', messageCount: 2, oldestAt: sampleNow - minuteMs },
    ],
  },
  expirations: [
    {
      kind: 'certificate',
      expiresAt: sampleNow + 12 * 24 * hourMs,
      detail: 'Upload a new one and change the setting.',
    },
  ],
  sinceAt: Date.UTC(2026, 10, 27, 16),
  now: sampleNow,
};
