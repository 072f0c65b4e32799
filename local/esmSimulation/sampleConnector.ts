// ESM_CONNECTOR for the emulator's sample desk, with everything that it has attributes for.
import { readConnector, type Connector } from '../../shared/esm/mapping.ts';

export const sampleMapping = {
  incoming: [
    {
      mailboxes: ['servicedesk@example.com'],
      template: 'incident',
      folder: 'incident_management',
      attributes: {
        mailId: 'mail_id',
        subject: 'subject',
        text: 'description',
        comments: 'comments',
        internal: 'internal',
        sender: 'sender_email',
        person: 'customer',
        cc: 'cc',
        receivedAt: 'received',
        files: 'files',
        raw: 'mails',
        refersTo: 'refers_to',
      },
      fixed: { status: { code: 'new' } },
      onReply: { status: { code: 'reply' } },
      mayAnswer: { attribute: 'may_answer', yes: { code: 'yes' }, no: { code: 'no' } },
      persons: [{ template: 'person', attribute: 'email' }],
      cardIds: [{ pattern: String.raw`\[(INC-\d+)\]`, attribute: 'incident_id' }],
      parties: ['customer', 'sender_email', 'cc', 'parties'],
      mergedInto: 'merged_into',
      closed: { attribute: 'status', values: ['07 - Closed'], since: 'closed', days: 14 },
    },
  ],
  report: [
    {
      template: 'incident',
      internal: 'internal',
      status: {
        attribute: 'mail_status',
        values: {
          'mail.sent': { code: 'sent' },
          'mail.failed': { code: 'failed' },
          'mail.expired': { code: 'expired' },
          'mail.bounced': { code: 'bounced' },
        },
      },
    },
  ],
} as const;

export function connectorOf(mapping: unknown): Connector {
  const answer = readConnector(mapping);
  if (answer.kind === 'ok') return answer.connector;
  throw new Error(answer.problems.map(({ path, detail }) => `${path} ${detail}`).join('\n'));
}
