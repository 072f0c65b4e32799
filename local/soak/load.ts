// Mixed load on the stack of a soak run: submissions of every size to good, hopeless and busy recipients, mail that
// arrives, faults of the server, and deployments. All of it is drawn from a seed.
import type { Random } from '../../shared/clock.ts';
import type { Rule } from '../emulators/exchange/faults.ts';

export const domain = 'soak.example';

export interface Address {
  readonly name: string;
  readonly address: string;
}

export const mailboxes: readonly Address[] = ['desk', 'hr', 'facilities', 'orders'].map((name) => ({
  name,
  address: `${name}@${domain}`,
}));

export const pick = <T>(random: Random, some: readonly [T, ...T[]]): T =>
  some[Math.floor(random.uniform() * some.length)] ?? some[0];

/** The next submission. `uploadText` is to be uploaded under `uploadName` before it. */
export function nextSubmission(
  random: Random,
  number: number,
): {
  readonly id: string;
  readonly submission: Readonly<Record<string, unknown>>;
  readonly upload?: { readonly name: string; readonly text: string };
} {
  const id = `soak-${String(number)}`;
  const from = mailboxes[Math.floor(random.uniform() * mailboxes.length)]?.address ?? '';
  const to = Array.from({ length: 1 + Math.floor(3 * random.uniform()) }, (_, at) =>
    random.uniform() < 0.05
      ? `nobody-${String(at)}@elsewhere.example`
      : `kim-${String(at)}@elsewhere.example`,
  );
  const base = {
    version: 1,
    id,
    mailbox: from,
    to,
    subject: `Message ${id}`,
    text: 'A few words. '.repeat(20),
  };
  const kind = random.uniform();
  if (kind < 0.1) {
    const name = `${id}.txt`;
    const attachment = {
      filename: 'report.txt',
      contentType: 'text/plain',
      blob: `outbound-uploads/${name}`,
    };
    return {
      id,
      submission: { ...base, attachments: [attachment] },
      upload: { name, text: 'A line of a report.\r\n'.repeat(1 + Math.floor(20_000 * random.uniform())) },
    };
  }
  if (kind < 0.15) return { id, submission: { ...base, text: 'A long text. '.repeat(4_000) } };
  if (kind < 0.2) return { id, submission: { ...base, to: [] } };
  return { id, submission: base };
}

/** A mail of a person, an absence, or a large one. */
export function nextMail(random: Random, number: number): { readonly to: string; readonly raw: string } {
  const to = mailboxes[Math.floor(random.uniform() * mailboxes.length)]?.address ?? '';
  const kind = random.uniform();
  const lines = kind < 0.05 ? 40_000 : 5;
  return {
    to,
    raw: [
      'Received: from mail.elsewhere.example by soak; Sat, 28 Nov 2026 08:00:00 +0000',
      'From: Kim <kim@elsewhere.example>',
      `To: ${to}`,
      `Subject: ${kind > 0.8 ? 'Automatic reply: ' : ''}The printer, once more (${String(number)})`,
      `Message-ID: <soak-in-${String(number)}@elsewhere.example>`,
      'Date: Sat, 28 Nov 2026 08:00:00 +0000',
      ...(kind > 0.8 ? ['Auto-Submitted: auto-replied'] : []),
      'Content-Type: text/plain; charset=utf-8',
      '',
      'It prints nothing but question marks.\r\n'.repeat(lines),
    ].join('\r\n'),
  };
}

/** Faults of the server that end by themselves. */
export function nextFault(random: Random): Rule {
  const smtp = { protocol: 'smtp', times: 1 + Math.floor(3 * random.uniform()), forMs: 20_000 } as const;
  const imap = { protocol: 'imap', times: 1, forMs: 20_000 } as const;
  return pick<Rule>(random, [
    { ...smtp, at: 'connect', does: { kind: 'cut' } },
    { ...smtp, at: 'body', does: { kind: 'cut', afterBytes: 100 } },
    { ...smtp, at: 'reply', does: { kind: 'cut' } },
    {
      ...smtp,
      at: 'dot',
      does: { kind: 'reply', code: 451, enhanced: '4.7.0', text: 'Temporary server error' },
    },
    {
      ...smtp,
      at: 'mail',
      does: { kind: 'reply', code: 432, enhanced: '4.3.2', text: 'Concurrent connections limit exceeded' },
    },
    { ...smtp, at: 'dot', does: { kind: 'delay', ms: 2_000 } },
    { ...imap, at: 'connect', does: { kind: 'cut' } },
    { ...imap, at: 'message', does: { kind: 'cut', afterBytes: 50 } },
    { ...imap, at: 'UID FETCH', does: { kind: 'throttle', backoffMs: 1_000 } },
    { ...imap, at: 'SELECT', does: { kind: 'answer', status: 'NO', text: 'Server Busy' } },
  ]);
}
