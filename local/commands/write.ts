// npm run write: makes somebody write to a mailbox of the running `npm start`; the next fetch finds the mail.
//
//   npm run write -- FILE.eml [--to ADDRESS]
//   npm run write -- --to ADDRESS [--from ADDRESS] [--subject TEXT] [--text TEXT] [--reply-to-message MESSAGE-ID]
//
//   --to ADDRESS           the mailbox; for a file, the mailbox in its To unless given
//   --reply-to-message ID  In-Reply-To and References: a Message-ID that npm run sent -- --json shows
//   --json                 ends with one JSON object on the last line
//   --settings-file FILE   of a stack that was started with it
import { readFileSync } from 'node:fs';
import MailComposer from 'nodemailer/lib/mail-composer/index.js';
import { present } from '../../shared/mail/omit.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { printAnswer } from '../commandLine/printAnswer.ts';
import { runningControl } from '../commandLine/runningControl.ts';

const { values: flags, positionals } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    to: { type: 'string' },
    from: { type: 'string', default: 'aino.asukas@muualla.example' },
    subject: { type: 'string', default: 'Hei' },
    text: { type: 'string', default: 'Hei,\n\nwritten with npm run write.\n' },
    'reply-to-message': { type: 'string' },
    json: { type: 'boolean', default: false },
    'settings-file': { type: 'string' },
  },
});

await printAnswer(async () => {
  const [file, ...more] = positionals;
  if (more.length > 0) throw new Error('Give one file at a time.');
  const mime = file === undefined ? await composed() : readFileSync(file);
  const mailbox = flags.to ?? toOf(mime);
  if (mailbox === undefined) throw new Error('To which mailbox? Give --to ADDRESS.');
  const answer = await runningControl(flags['settings-file']).ask('POST', '/mail', {
    mailbox,
    mime: mime.toString('base64'),
  });
  return { text: `Delivered to ${mailbox}; the next fetch finds it.`, json: answer };
}, flags);

function composed(): Promise<Buffer> {
  const { to, from, subject, text } = flags;
  const inReplyTo = flags['reply-to-message'];
  if (to === undefined) throw new Error('To which mailbox? Give --to ADDRESS, or a file.');
  return new MailComposer({ to, from, subject, text, ...present({ inReplyTo, references: inReplyTo }) })
    .compile()
    .build();
}

/** The first address in the file's To. */
function toOf(mime: Buffer): string | undefined {
  const head = mime.toString('latin1').split(/\r?\n\r?\n/)[0] ?? '';
  const line = /^To:((?:.*\r?\n[ \t])*.*)$/im.exec(head)?.[1] ?? '';
  return /[^\s<>,;:"]+@[^\s<>,;:"]+/.exec(line)?.[0];
}
