// What comes back, and how the folder is read.
import { failed, markOf, notDone, passed, until, withBox, type Check } from '../check.ts';
import { customerMail } from '../samples.ts';
import { arrival, movedTo, needs, sendThroughBridge } from './sending.ts';

const noReceive = 'The mailbox only sends (--no-receive).';

export const incomingChecks: readonly Check[] = [
  {
    id: 'bounce',
    title: 'A bounce is related to what was sent',
    run: withBox(async (context, box) => {
      const { gone, bridge, numbers, mailbox } = context;
      const sent = await sendThroughBridge(context, 'bounce', { to: [gone] });
      if (sent.kind === 'not') {
        const refused =
          sent.state?.state === 'failed' && sent.state.statuses.some((status) => status.startsWith('5.1'));
        return refused
          ? passed('Exchange refused the recipient at once; no report follows.', {
              unknownRecipient: 'refused at RCPT',
            })
          : sent.result;
      }
      if (!mailbox.receive) return notDone(noReceive);
      const related = await until(context, numbers.returnMs, async () => {
        const state = await bridge.stateOf(sent.id, [mailbox.smtpUser, mailbox.address]);
        return (state?.bouncesCount ?? 0) > 0 ? true : undefined;
      });
      if (related === true)
        return passed('The report came and belongs to the submission (mail.bounced).', {
          unknownRecipient: 'accepted, then reported',
        });
      const report = await arrival(context, box, markOf(context, 'bounce'), 0);
      return report === undefined
        ? failed(
            'No report came.',
            'Does the domain accept any address? Name one that does not exist with --gone ADDRESS.',
          )
        : failed(
            'A report came, and the bridge did not relate it to the submission.',
            'Send the report to the maintainers, as a file (.eml).',
          );
    }),
  },
  {
    id: 'absence',
    title: 'An automatic reply is recognised',
    run: withBox(async (context, box) => {
      const { absent, bridge, mailbox, numbers } = context;
      if (absent === undefined)
        return needs('--absent ADDRESS', 'an automatic reply; its mailbox must have it switched on');
      if (!mailbox.receive) return notDone(noReceive);
      // The usual header asks Exchange not to answer.
      const sent = await sendThroughBridge(context, 'absence', { to: [absent], headers: {} });
      if (sent.kind === 'not') return sent.result;
      const since = new Date(context.startedAt);
      const known = await until(context, numbers.returnMs, () =>
        bridge.received({ kind: 'autoReply', since }),
      );
      if (known !== undefined) return passed('The bridge took it for an automatic reply (autoReply).');
      const came = await arrival(context, box, markOf(context, 'absence'), 0);
      return came === undefined
        ? failed(
            'No automatic reply came.',
            'Exchange answers each sender once: switch the reply off and on again before the next run.',
          )
        : failed(
            'A reply came, and the bridge did not take it for an automatic one.',
            'Send it to the maintainers, as a file (.eml).',
          );
    }),
  },
  {
    id: 'fetch',
    title: 'Incoming mail is fetched, and treated as set',
    run: withBox(async (context, box) => {
      const { bridge, clock, mailbox, numbers, run } = context;
      if (!mailbox.receive) return notDone(noReceive);
      const mark = markOf(context, 'fetch');
      const mail = customerMail({
        to: mailbox.address,
        subject: `${mark} The printer`,
        run,
        at: clock.now(),
      });
      const place = await box.append(mailbox.folder, mail);
      const received = await until(context, numbers.returnMs, () => bridge.received(place));
      if (received === undefined)
        return failed(
          'The bridge did not fetch it.',
          'The log lines mailboxRun and the alert fetchStopped name the cause; the doctor names the step.',
        );
      const target = movedTo(mailbox.afterFetch);
      const done = await until(context, numbers.waitMs, async () => {
        const flags = await box.flags(place);
        switch (mailbox.afterFetch) {
          case 'none':
            return true;
          case 'seen':
            return flags?.has('\\Seen') === true ? true : undefined;
          case 'delete':
            return flags === undefined ? true : undefined;
          default:
            return target !== undefined &&
              (await box.look(target, mark).catch(() => [])).length === 1 &&
              flags === undefined
              ? true
              : undefined;
        }
      });
      if (done === undefined)
        return failed(
          `It was fetched, but afterFetch (${mailbox.afterFetch}) was not carried out.`,
          'Does the app have full access to the mailbox? Is --after-fetch what the setting says?',
        );
      return received.kind === 'message' && received.count === 1
        ? passed(`Fetched once, taken for a ${received.kind}, then ${mailbox.afterFetch}.`)
        : failed(
            `Taken for ${received.kind}, ${String(received.count)} times; it is one message of a person.`,
            'Send the JSON report to the maintainers.',
          );
    }),
  },
  {
    id: 'move',
    title: 'IMAP MOVE works and says the new UID',
    run: withBox(async (context, box) => {
      const { clock, mailbox, run } = context;
      const folders = [`Acceptance ${run} from`, `Acceptance ${run} to`] as const;
      const [from, to] = folders;
      for (const folder of folders) await box.createFolder(folder);
      try {
        const subject = `${markOf(context, 'move')} A message`;
        const place = await box.append(
          from,
          customerMail({ to: mailbox.address, subject, run: `${run}.move`, at: clock.now() }),
        );
        const uid = await box.move(place, to);
        const there = await box.look(to, subject);
        const left = await box.count(from);
        return there.length === 1 && left === 0 && uid === there[0]?.uid
          ? passed('Moved in one command; the answer has the new UID (COPYUID).')
          : failed(
              `After the move: ${String(left)} in the old folder, ${String(there.length)} in the new one, new UID ${uid === undefined ? 'not said' : String(uid)}.`,
              'With afterFetch move, a message could be moved twice: use seen until this is understood.',
            );
      } finally {
        for (const folder of folders) await box.deleteFolder(folder).catch(() => undefined);
      }
    }),
  },
  {
    id: 'largeFolder',
    title: 'A large folder is searched and read completely',
    run: withBox(async (context, box) => {
      const { clock, mailbox, numbers, run } = context;
      const folder = `Acceptance ${run} large`;
      await box.createFolder(folder);
      try {
        const mark = markOf(context, 'largeFolder');
        const since = clock.monotonic();
        for (let at = 0; at < numbers.folderCount; at += 1) {
          const subject = `${mark} ${at % 100 === 0 ? 'hundredth' : 'usual'} ${String(at)}`;
          await box.append(
            folder,
            customerMail({ to: mailbox.address, subject, run: `${run}.${String(at)}`, at: clock.now() }),
          );
        }
        const filledMs = clock.monotonic() - since;
        const count = await box.count(folder);
        const searchSince = clock.monotonic();
        const found = await box.search(folder, 'hundredth');
        const searchMs = clock.monotonic() - searchSince;
        const wanted = Math.ceil(numbers.folderCount / 100);
        const figures = `${String(count)} messages put in ${(filledMs / 1_000).toFixed(0)} s; a search took ${(searchMs / 1_000).toFixed(1)} s`;
        return count === numbers.folderCount && found.length === wanted
          ? passed(`${figures} and found all ${String(wanted)}.`, { largeFolder: figures })
          : failed(
              `${figures} and found ${String(found.length)} of ${String(wanted)}.`,
              'The server’s search is incomplete. The bridge does not rely on it, but other programs may.',
              { largeFolder: `${figures}, ${String(found.length)} of ${String(wanted)} found` },
            );
      } finally {
        await box.deleteFolder(folder).catch(() => undefined);
      }
    }),
  },
];
