// Mail through the bridge, and what of it arrives.
import { exchangeWait } from '../../../shared/mail/exchangeWait.ts';
import { createHash } from 'node:crypto';
import { simpleParser } from 'mailparser';
import { failed, markOf, passed, until, withBox, type Check } from '../check.ts';
import { attachmentBytesFor, attachmentNames, fillBytes, invitation, letters, pixelPng } from '../samples.ts';
import {
  arrivals,
  followSubmission,
  needs,
  sendAndLook,
  sendThroughBridge,
  submissionOf,
} from './sending.ts';

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const megabytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MB`;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const same = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

export const outgoingChecks: readonly Check[] = [
  {
    id: 'send',
    title: 'A message is sent and arrives',
    run: withBox((context, box) =>
      sendAndLook(context, box, 'send', {}, ({ state }) =>
        passed(
          `Accepted by Exchange ${seconds(state.changedAt - state.acceptedAt)} after the bridge took it.`,
        ),
      ),
    ),
  },
  {
    id: 'letters',
    title: 'Letters and emoji arrive unharmed',
    run: withBox((context, box) => {
      const subject = `${markOf(context, 'letters')} ${letters}`;
      const fields = { subject, text: letters, html: `<p>${letters}</p>` };
      return sendAndLook(context, box, 'letters', fields, async ({ source }) => {
        const mail = await simpleParser(source);
        const harmed = [
          ...(mail.subject === subject ? [] : ['the subject']),
          ...(mail.text?.includes(letters) === true ? [] : ['the text']),
          ...(typeof mail.html === 'string' && mail.html.includes(letters) ? [] : ['the HTML']),
        ];
        return harmed.length === 0
          ? passed('Subject, text and HTML are as they were written.')
          : failed(
              `Changed on the way: ${harmed.join(', ')}.`,
              'A transport rule or gateway rewrites mail: look at its disclaimers and character sets.',
            );
      });
    }),
  },
  {
    id: 'once',
    title: 'The same submission three times is sent once',
    run: withBox(async (context, box) => {
      const submission = submissionOf(context, 'once', {});
      for (let times = 0; times < 3; times += 1) await context.bridge.submit(submission);
      const sent = await followSubmission(context, submission);
      if (sent.kind === 'not') return sent.result;
      const mark = markOf(context, 'once');
      await until(context, context.numbers.waitMs, async () =>
        (await arrivals(context, box, mark)).length > 0 ? true : undefined,
      );
      // A second one would have been sent by now, and would come like the first.
      await context.clock.sleep(3 * context.numbers.pollMs);
      const ids = new Set(
        (await arrivals(context, box, mark)).map(({ uid, folder }) => `${folder}/${String(uid)}`),
      );
      return ids.size === 1
        ? passed('One message arrived.')
        : failed(
            `${String(ids.size)} messages arrived.`,
            ids.size === 0
              ? 'Look for it in the message trace of the Exchange admin center.'
              : 'Compare their X-Mail-Bridge-Id: the same one was multiplied behind the bridge, by a rule of the mailbox for example.',
          );
    }),
  },
  {
    id: 'alias',
    title: 'A message leaves with an alias in From',
    run: withBox((context, box) => {
      const { alias } = context;
      if (alias === undefined) return Promise.resolve(needs('--alias ADDRESS', 'sending with an alias'));
      return sendAndLook(context, box, 'alias', { from: { address: alias } }, ({ seen }) =>
        same(seen.from, alias)
          ? passed('From is the alias.')
          : failed(
              'From was replaced by another address of the mailbox.',
              `Set-OrganizationConfig -SendFromAliasEnabled $true. ${exchangeWait}`,
            ),
      );
    }),
  },
  {
    id: 'sendAs',
    title: 'A message leaves as another mailbox (Send As)',
    run: withBox((context, box) => {
      const { sendAs } = context;
      if (sendAs === undefined)
        return Promise.resolve(needs('--send-as ADDRESS', 'sending as another mailbox'));
      return sendAndLook(context, box, 'sendAs', { mailbox: sendAs }, ({ seen }) => {
        if (!same(seen.from, sendAs))
          return failed('From is not that mailbox.', 'Is it in MAILBOXES with this account as smtpUser?');
        return seen.sender === '' || same(seen.sender, sendAs)
          ? passed('From is that mailbox, and nothing says “on behalf of”.')
          : failed(
              'It arrived “on behalf of” that mailbox.',
              'Grant Send As, not Send on Behalf: docs/deployment.md, step 5, -SendAs.',
            );
      });
    }),
  },
  {
    id: 'inlinePicture',
    title: 'A picture inside the text arrives inside it',
    run: withBox((context, box) => {
      const contentId = `pixel.${context.run}@acceptance.invalid`;
      const fields = {
        html: `<p>A picture: <img src="cid:${contentId}" alt="a pixel"></p>`,
        attachments: [
          {
            filename: 'a picture with blanks.png',
            contentType: 'image/png',
            contentId,
            content: pixelPng.toString('base64'),
          },
        ],
      };
      return sendAndLook(context, box, 'inlinePicture', fields, async ({ source }) => {
        const mail = await simpleParser(source, { skipImageLinks: true });
        const picture = mail.attachments.find(({ cid }) => cid === contentId);
        if (picture === undefined)
          return failed(
            'The picture lost its Content-ID, or is gone.',
            'A gateway removes it or packs it anew.',
          );
        return picture.content.equals(pixelPng) &&
          typeof mail.html === 'string' &&
          mail.html.includes(contentId)
          ? passed('The HTML refers to the picture, and its bytes are the same.')
          : failed('The picture or the reference to it was changed.', 'A gateway rewrites HTML or images.');
      });
    }),
  },
  {
    id: 'attachmentNames',
    title: 'Scandinavian names of attachments arrive unharmed',
    run: withBox((context, box) => {
      const attachments = attachmentNames.map((filename) => ({
        filename,
        contentType: 'text/plain',
        content: Buffer.from(filename).toString('base64'),
      }));
      return sendAndLook(context, box, 'attachmentNames', { attachments }, async ({ source }) => {
        const names = (await simpleParser(source)).attachments.map(({ filename }) => filename ?? '');
        const missing = attachmentNames.filter((name) => !names.includes(name));
        return missing.length === 0
          ? passed(`${String(attachmentNames.length)} names are as they were given.`)
          : failed(
              `Not as it was given: ${missing.map((name) => name.slice(0, 40)).join('; ')}.`,
              'Send the JSON report to the maintainers: the form of these names may have to change.',
            );
      });
    }),
  },
  {
    id: 'large',
    title: 'A message of 34 MB arrives whole',
    run: withBox(async (context, box) => {
      const content = fillBytes(attachmentBytesFor(context.numbers.largeBytes));
      const name = `acceptance-${context.run}.bin`;
      const blob = await context.bridge.upload(name, content);
      try {
        const fields = {
          attachments: [{ filename: 'large.bin', contentType: 'application/octet-stream', blob }],
        };
        return await sendAndLook(context, box, 'large', fields, async ({ source }) => {
          const [attachment] = (await simpleParser(source)).attachments;
          return attachment !== undefined && sha256(attachment.content) === sha256(content)
            ? passed(`${megabytes(source.byteLength)} arrived; the attachment has the same SHA-256.`)
            : failed('The attachment is not the same.', 'A gateway rewrites attachments.');
        });
      } finally {
        await context.bridge.removeUpload(name);
      }
    }),
  },
  {
    id: 'invitation',
    title: 'An invitation arrives as one',
    run: withBox((context, box) => {
      const subject = `${markOf(context, 'invitation')} Meeting`;
      const uid = `${context.run}@acceptance.invalid`;
      const calendar = invitation({
        mailbox: context.mailbox.address,
        uid,
        subject: 'Meeting',
        at: context.clock.now(),
      });
      const attachments = [
        {
          filename: 'invite.ics',
          contentType: 'text/calendar; method=REQUEST; charset=utf-8',
          content: Buffer.from(calendar).toString('base64'),
        },
      ];
      return sendAndLook(context, box, 'invitation', { subject, attachments }, ({ source }) => {
        const text = source.toString('latin1');
        if (/^content-type:\s*text\/calendar[^]{0,200}?method=("?)request\1/im.test(text))
          return passed('It has a calendar part with METHOD:REQUEST.', {
            invitationForm: 'text/calendar over IMAP',
          });
        return failed(
          /https:\/\/outlook\./i.test(text)
            ? 'IMAP gives a link to Outlook on the web instead of the calendar part.'
            : 'The calendar part is gone.',
          'Set-CASMailbox -ImapUseProtocolDefaults $false -ImapForceICalForCalendarRetrievalOption $true for mailboxes that receive invitations.',
          { invitationForm: 'no text/calendar over IMAP' },
        );
      });
    }),
  },
  {
    id: 'sentItems',
    title: 'The copy in Sent Items is found by its header',
    run: withBox(async (context, box) => {
      const sent = await sendThroughBridge(context, 'sentItems');
      if (sent.kind === 'not') return sent.result;
      const mark = markOf(context, 'sentItems');
      const copy = await until(
        context,
        context.numbers.waitMs,
        async () => (await box.look(box.sentFolder, mark))[0],
      );
      if (copy === undefined)
        return failed(
          `No copy in ${box.sentFolder} after ${seconds(context.numbers.waitMs)}.`,
          'Set-Mailbox -MessageCopyForSMTPClientSubmissionEnabled $true. Without copies every message in doubt waits for a person.',
          { sentItemsDelay: 'no copy' },
        );
      const delay = seconds(Math.max(0, context.clock.now() - sent.state.changedAt));
      return copy.bridgeId.startsWith(`${sent.id}.`)
        ? passed(`In ${box.sentFolder} at most ${delay} after the 250, with X-Mail-Bridge-Id.`, {
            sentItemsDelay: `at most ${delay}`,
          })
        : failed(
            'The copy has lost its X-Mail-Bridge-Id.',
            'A transport rule removes header fields. Without it no message in doubt can be found.',
          );
    }),
  },
  {
    id: 'messageId',
    title: 'The Message-ID is kept, or the bridge knows the new one',
    run: withBox((context, box) =>
      sendAndLook(context, box, 'messageId', {}, async ({ seen, state }) => {
        const copy = (await box.look(box.sentFolder, markOf(context, 'messageId')))[0];
        const found = [seen.messageId, ...(copy === undefined ? [] : [copy.messageId])];
        if (found.every((id) => id === state.messageId))
          return passed('It is kept, in the mailbox and in Sent Items.', { messageId: 'kept' });
        const isKnown = found.every((id) => id === state.messageId || id === state.serverMessageId);
        return isKnown
          ? passed('Exchange replaced it by the id of its 250 reply, which the bridge has recorded.', {
              messageId: 'replaced by the id of the 250 reply',
            })
          : failed(
              'Exchange replaced it by an id that the bridge does not know.',
              'Replies that name only the new id can’t be related: send the JSON report to the maintainers.',
              { messageId: 'replaced by an id that is not in the 250 reply' },
            );
      }),
    ),
  },
];
