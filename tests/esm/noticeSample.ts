import { createHash } from 'node:crypto';
import { noticeSchema, type WholeNotice } from '../../shared/contract/notice.ts';

const hash = '0'.repeat(64);

/** A notice of a person's mail; `change` replaces fields. */
export function sampleNotice(change: Partial<WholeNotice> = {}): WholeNotice {
  const text = 'The printer on floor 2 is out of paper.';
  const data: WholeNotice = {
    version: 1,
    id: createHash('sha256').update(JSON.stringify(change)).digest('hex').slice(0, 32),
    mailbox: 'servicedesk@example.com',
    kind: 'message',
    folder: 'INBOX',
    uid: 7,
    uidValidity: 1,
    messageId: '<a@example.com>',
    inReplyTo: [],
    references: [],
    from: [{ name: 'Aino Aalto', address: 'Aino@Example.com' }],
    sender: [],
    replyTo: [],
    to: [{ name: '', address: 'servicedesk@example.com' }],
    cc: [],
    subject: 'Printer',
    date: '2026-11-28T08:59:00Z',
    receivedAt: '2026-11-28T09:00:00Z',
    flags: [],
    list: false,
    loopGuard: { mayAnswer: true, reasons: [] },
    raw: { blob: 'inbound-content/m/raw.eml', sizeBytes: 9, sha256: hash },
    text: { content: text, sizeBytes: text.length, sha256: hash },
    parts: [],
    remarks: [],
    ...change,
  };
  return data;
}

/** As it is on the queue. */
export function queued(data: WholeNotice): string {
  const notice = noticeSchema.parse({
    specversion: '1.0',
    id: data.id,
    source: '/esm-mail-bridge/mailboxes/servicedesk%40example.com',
    type: 'mail.received',
    subject: data.id,
    time: '2026-11-28T09:00:00Z',
    datacontenttype: 'application/json',
    dataschema: 'urn:esm-mail-bridge:schema:mail.received:1',
    data,
  });
  return JSON.stringify(notice);
}

export const filePart = (
  filename: string,
  change: Partial<WholeNotice['parts'][number]> = {},
): WholeNotice['parts'][number] => ({
  blob: `inbound-content/m/${filename}`,
  sizeBytes: 5,
  sha256: hash,
  filename,
  contentType: 'application/octet-stream',
  disposition: 'attachment',
  contentId: '',
  role: 'file',
  ...change,
});
