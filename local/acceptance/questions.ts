// What is not known of Exchange Online for certain. A run answers those that a mailbox can answer, and names the others
// with the way to an answer.
import type { QuestionId } from './check.ts';

export const mailboxQuestions: Readonly<Record<QuestionId, string>> = {
  overRate: 'Is the 31st message of a minute delayed or refused, and at which step?',
  messageId: 'Is the Message-ID kept?',
  overConnections: 'At which step is a fourth SMTP connection refused, and with which reply?',
  sentItemsDelay: 'How long after the 250 is the copy in Sent Items?',
  capabilities: 'Which IMAP capabilities are there after the login?',
  keywords: 'Does IMAP keep flags of a client’s own?',
  invitationForm: 'In which form does IMAP give an invitation?',
  unknownRecipient: 'Is an unknown recipient refused at once, or reported later?',
  largeFolder: 'How fast is IMAP in a large folder, and is its search complete?',
};

export interface OpenQuestion {
  readonly question: string;
  /** Who can answer it, and how. */
  readonly way: string;
}

/** No mailbox answers these within an hour. */
export const openQuestions: readonly OpenQuestion[] = [
  {
    question: 'Does the copy in Sent Items count a second time against 10,000 recipients a day?',
    way: 'Seen only near the limit: if Exchange answers 5.1.90 while `npm run quota` shows about half of the day used, it does. Note both figures.',
  },
  {
    question:
      'What are ESM’s settings for host, port and secret, the form of its reply id, MailTask’s interval and its size limit?',
    way: 'The administrator of ESM: Platform Settings, Mail Settings, and the vendor’s support.',
  },
  {
    question:
      'Can the role Application SMTP.SendAsApp and the permission IMAP.AccessAsApp be on one registration?',
    way: 'An Exchange administrator, on a mailbox for tests: grant both, wait 90 minutes, run the doctor.',
  },
  {
    question: 'Is 7146a1f0-8703-45b3-9eae-527a64c00995 the id of SMTP.SendAsApp?',
    way: `az ad sp show --id 00000002-0000-0ff1-ce00-000000000000 --query "appRoles[?value=='SMTP.SendAsApp'].id" --output tsv`,
  },
];

export const whereToSend =
  'Send the block `answers` of the JSON report to the maintainers, as an issue in the repository that the bridge came from, titled “Acceptance: answers”. It holds no address and no name; read it before it is sent.';
