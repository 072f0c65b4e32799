// What the composer's tests share: a submission with every field absent, and a stamp.
import { MimeComposer } from '../../shared/exchange/mimeComposer.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import type { Stamp } from '../../shared/outbound/ports.ts';
import type { Submission } from '../../shared/contract/submission.ts';

export type Composed = Submission & { readonly kind: 'composed' };
export type Raw = Submission & { readonly kind: 'raw' };

const common = {
  id: 'INC-1',
  mailbox: 'desk@example.com',
  priority: 'normal',
  from: { address: 'desk@example.com' },
  to: [{ address: 'user@example.net' }],
  cc: [],
  bcc: [],
} as const;

export const submission = (fields: Partial<Composed> = {}): Composed => ({
  ...common,
  kind: 'composed',
  replyTo: [],
  subject: 'Hello',
  text: 'Hello.',
  references: [],
  headers: [],
  attachments: [],
  ...fields,
});

export const raw = (fields: Partial<Raw> = {}): Raw => ({
  ...common,
  to: [],
  kind: 'raw',
  blob: 'outbound-uploads/a.eml',
  ...fields,
});

export const stamp: Stamp = {
  messageId: '<fixed.1@example.com>',
  dateMs: Date.UTC(2026, 10, 25, 9, 0, 0),
  boundarySeed: '0123456789abcdef0123456789abcdef0123456789abcdef',
  bridgeId: 'INC-1.1',
  bridgeTag: 'a'.repeat(64),
};

/** The mailbox of the submissions, with another address and a name. */
const mailboxes: readonly Mailbox[] = [
  {
    address: 'named@example.com',
    aliases: ['help@example.com', 'Support@example.org'],
    fromName: 'Service desk',
    signIn: 'delegated',
    imapUser: 'named@example.com',
    smtpUser: 'named@example.com',
    send: true,
    receive: true,
    folder: 'INBOX',
    afterFetch: { kind: 'none' },
    fetchFrom: { kind: 'all' },
    limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
  },
];

export const composer = new MimeComposer({ recipientsCount: 1_000 }, mailboxes);
export const none: ReadonlyMap<string, Uint8Array> = new Map();

export const composeText = async (fields: Partial<Composed>, blobs = none): Promise<string> =>
  Buffer.from(await composer.compose(submission(fields), blobs, stamp)).toString('latin1');
