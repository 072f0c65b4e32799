// A small service desk as an ESM holds it: incidents, changes, two templates of persons, and mail to be sent.
import type { EsmTemplate, EsmUser } from './model.ts';

const statuses = (
  ...pairs: readonly (readonly [string, string])[]
): readonly { readonly code: string; readonly value: string }[] =>
  pairs.map(([code, value]) => ({ code, value }));

const incident: EsmTemplate = {
  code: 'incident',
  name: 'Incident',
  folders: [
    { folderCode: 'incident_management', folderName: 'Incident management' },
    { folderCode: 'archive', folderName: 'Archive' },
  ],
  nameAttribute: 'subject',
  attributes: {
    incident_id: { name: 'Incident id', type: 'string' },
    subject: { name: 'Subject', type: 'string', maxLength: 250 },
    description: { name: 'Description', type: 'string' },
    status: {
      name: 'Status',
      type: 'static-value',
      values: statuses(
        ['new', '01 - New'],
        ['solving', '02 - Solving'],
        ['reply', '03 - Reply received'],
        ['closed', '07 - Closed'],
      ),
    },
    customer: { name: 'Customer', type: 'reference', target: ['person', 'guest'] },
    sender_email: { name: 'Sender', type: 'string', maxLength: 320 },
    cc: { name: 'Cc', type: 'string' },
    parties: { name: 'Parties', type: 'string', multiValue: true },
    received: { name: 'Received', type: 'date' },
    closed: { name: 'Closed', type: 'date' },
    mail_id: { name: 'Mail id', type: 'string', maxLength: 100 },
    may_answer: {
      name: 'May be answered',
      type: 'static-value',
      values: statuses(['yes', 'Yes'], ['no', 'No']),
    },
    comments: { name: 'Comments', type: 'worklog' },
    internal: { name: 'Internal comments', type: 'worklog' },
    files: { name: 'Files', type: 'external-reference', multiValue: true, file: true },
    mails: { name: 'Mails', type: 'external-reference', multiValue: true, file: true },
    merged_into: { name: 'Merged into', type: 'reference', target: ['incident'] },
    refers_to: { name: 'Refers to', type: 'reference', target: ['incident'] },
    mail_status: {
      name: 'Mail status',
      type: 'static-value',
      values: statuses(
        ['sent', 'Sent'],
        ['failed', 'Failed'],
        ['bounced', 'Bounced'],
        ['expired', 'Expired'],
      ),
    },
  },
};

const outgoing: EsmTemplate = {
  code: 'outgoing_mail',
  name: 'Outgoing mail',
  folders: [{ folderCode: 'outgoing', folderName: 'Outgoing' }],
  nameAttribute: 'subject',
  attributes: {
    subject: { name: 'Subject', type: 'string' },
    body: { name: 'Body', type: 'string' },
    to: { name: 'To', type: 'string', multiValue: true },
    cc: { name: 'Cc', type: 'string', multiValue: true },
    revision: { name: 'Revision', type: 'number' },
    incident: { name: 'Incident', type: 'reference', target: ['incident'] },
    files: { name: 'Files', type: 'external-reference', multiValue: true, file: true },
    state: {
      name: 'State',
      type: 'static-value',
      values: statuses(['ready', 'Ready'], ['taken', 'Taken'], ['sent', 'Sent'], ['failed', 'Failed']),
    },
    remarks: { name: 'Remarks', type: 'worklog' },
  },
};

const person = (code: string, name: string, address: string): EsmTemplate => ({
  code,
  name,
  folders: [{ folderCode: `${code}s`, folderName: `${name}s` }],
  nameAttribute: 'full_name',
  attributes: {
    full_name: { name: 'Name', type: 'string' },
    [address]: { name: 'E-mail', type: 'string' },
  },
});

export const sampleTemplates: readonly EsmTemplate[] = [
  incident,
  outgoing,
  person('person', 'Person', 'email'),
  person('guest', 'Guest', 'address'),
];

export const sampleUser: EsmUser = { login: 'bridge.in', password: 'in-5h9!', name: 'Mail Bridge' };
