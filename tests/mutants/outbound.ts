// Planted bugs of the outbound side: each rule of the protocol switched off in turn.
import type { ClimateName } from '../simulation/climate.ts';
import type { Check, Edit, Figure, Mutant } from './mutant.ts';

const room = (file: string, find: string, replace: string): Edit => ({
  file: `shared/outbound/${file}.ts`,
  find,
  replace,
});
const limits = (file: string, find: string, replace: string): Edit => ({
  file: `shared/limits/${file}.ts`,
  find,
  replace,
});
const violation = (kind: string, climate: ClimateName, messages: number, ...seeds: number[]): Check => ({
  by: 'violation',
  kind,
  climate,
  messages,
  seeds: seeds.length === 0 ? [1] : seeds,
});
const figure = (name: Figure, atMost: number, climate: ClimateName, messages: number): Check => ({
  by: 'figure',
  figure: name,
  atMost,
  climate,
  messages,
  seeds: [1],
});
const test = (file: string, name?: string): Check => ({
  by: 'test',
  file: `tests/${file}.test.ts`,
  ...(name === undefined ? {} : { name }),
});

export const outboundMutants: readonly Mutant[] = [
  // ---- accepting
  {
    name: 'acceptedWithoutDueRow',
    what: 'a message is accepted and listed nowhere',
    edits: [
      room(
        'writeMoves',
        "...(place === undefined ? [] : [{ kind: 'insert', ...place } as const]),\n    await",
        'await',
      ),
    ],
    caughtBy: violation('lost', 'quiet', 20),
  },
  {
    name: 'otherContentAccepted',
    what: 'another content under a used id is called a repeat',
    edits: [room('accept', 'if (first.hash === message.hash)', 'if (first.id === message.id)')],
    caughtBy: violation('identity', 'twoContents', 60),
  },
  {
    name: 'blobNamedById',
    what: 'a content is stored under its id, not its hash',
    edits: [
      room('accept', 'await contents.put(hash, content)', 'await contents.put(submission.id, content)'),
      room(
        'accept',
        'content: content.length > numbers.contentInRowBytes ? hash : content',
        'content: content.length > numbers.contentInRowBytes ? submission.id : content',
      ),
    ],
    caughtBy: violation('identity', 'twoContents', 60),
  },
  // ---- one lock
  {
    name: 'boxWithoutCondition',
    what: 'the lock is written whatever it holds by now',
    edits: [
      room(
        'desk',
        "{ kind: 'replace', key: boxKey, fields, etag }",
        "{ kind: 'replace', key: boxKey, fields }",
      ),
    ],
    caughtBy: violation('', 'deadly', 300, 1, 2),
  },
  {
    name: 'lostAnswerTakenForDone',
    what: 'a transaction without an answer counts as applied',
    edits: [
      room(
        'desk',
        '      this.#stale = true;\n      trouble =',
        "      this.#stale = true;\n      if (answer.kind === 'unknown') return sent.result;\n      trouble =",
      ),
    ],
    caughtBy: violation('', 'lostAnswers', 200),
  },
  {
    name: 'claimTagNotRead',
    what: 'a claim whose answer was lost is not found again by its tag',
    edits: [
      room('claim', 'if (claimed !== undefined)', 'if (false)'),
      room('work', 'if (open.owner === shift.tag && !this.#flights.has(open.tag))', 'if (false)'),
      room('desk', 'if (this.#box.writtenBy === sent.box.writtenBy)', 'if (false)'),
    ],
    caughtBy: figure('doubts', 0, 'lostAnswers', 300),
  },
  {
    name: 'dueRowDeletedAtClaim',
    what: 'the claim takes the due row away, which no crash puts back',
    edits: [room('claim', 'operations: [],', "operations: [{ kind: 'delete', key: head.key }],")],
    caughtBy: violation('', 'quiet', 20),
  },
  // ---- the limits
  {
    name: 'silenceFreesSlot',
    what: 'a slot is freed although no reply came',
    edits: [room('settle', '...(end.certain ? shorten', '...(true ? shorten')],
    caughtBy: violation('limit', 'lateServer', 400, 1, 2),
  },
  {
    name: 'slotFreedAtCrash',
    what: 'an attempt that nobody settled gives its slot back',
    edits: [
      room(
        'doubts',
        'box: { ...box, open: box.open.filter((open) => !late.includes(open)) },',
        'box: { ...box, slots: [], open: box.open.filter((open) => !late.includes(open)) },',
      ),
    ],
    caughtBy: violation('limit', 'lateServer', 400, 1, 2, 3, 4),
  },
  {
    name: 'oneMoreThanTheLimit',
    what: 'the last slot is given twice',
    edits: [limits('window', 'law.messagesPerMinute - 1', 'law.messagesPerMinute')],
    caughtBy: violation('limit', 'backlog', 100),
  },
  {
    name: 'oneClockBound',
    what: 'slots are written with the earliest time it can be',
    edits: [
      limits(
        'storageTime',
        'this.#clock.monotonic() + bounds.atMost)',
        'this.#clock.monotonic() + bounds.atLeast)',
      ),
    ],
    caughtBy: violation('limit', 'slowStore', 150, 1, 2),
  },
  {
    name: 'earlyAndLateSwapped',
    what: 'slots are written with early and judged with late',
    edits: [
      limits(
        'storageTime',
        'this.#clock.monotonic() + bounds.atMost)',
        'this.#clock.monotonic() + bounds.swapped)',
      ),
      limits(
        'storageTime',
        'this.#clock.monotonic() + bounds.atLeast)',
        'this.#clock.monotonic() + bounds.atMost)',
      ),
      limits(
        'storageTime',
        'this.#clock.monotonic() + bounds.swapped)',
        'this.#clock.monotonic() + bounds.atLeast)',
      ),
    ],
    caughtBy: violation('limit', 'slowStore', 150, 1, 2),
  },
  {
    name: 'dayChargedAtClaim',
    what: 'the day is charged for the moment of the claim, not for the latest arrival',
    edits: [
      limits(
        'window',
        'Math.ceil(latestAt / law.dayBucketMs)',
        'Math.ceil((latestAt - 840_000) / law.dayBucketMs)',
      ),
    ],
    caughtBy: violation('limit', 'shortDay', 300, 1, 2),
  },
  {
    name: 'dayBucketRoundedDown',
    what: 'a bucket of the day ends before what is in it',
    edits: [
      limits('window', 'Math.ceil(latestAt / law.dayBucketMs)', 'Math.floor(latestAt / law.dayBucketMs)'),
    ],
    caughtBy: test('limits/window'),
  },
  {
    name: 'failedAttemptsRefunded',
    what: 'recipients of an attempt that was not accepted are given back',
    edits: [
      room(
        'settle',
        '...(end.reply === undefined ? {} : meanOf(box, flight)),',
        `...(end.reply === undefined ? {} : meanOf(box, flight)),
    ...(end.verdict === 'accepted' || end.verdict === 'inDoubt'
      ? {}
      : { day: box.day.map(([second, count], index, all) =>
          [second, index < all.length - 1 ? count : Math.max(0, count - end.recipients.length)] as const) }),`,
      ),
    ],
    caughtBy: violation('counter', 'stormy', 200),
  },
  // ---- the lease and the connections
  {
    name: 'ghostsIgnored',
    what: 'connections of an owner who is gone are not counted',
    edits: [room('lease', 'if (box.lease === undefined) return [];', 'if (box !== undefined) return [];')],
    caughtBy: violation('limit', 'deadly', 300, 1, 2),
  },
  {
    name: 'fourthConnection',
    what: 'a new owner always has a connection, however many ghosts there are',
    edits: [
      room(
        'lease',
        'return Math.max(0, Math.min(wanted, Math.max(setting, serverConnectionCount) - haunted));',
        'return wanted;',
      ),
    ],
    caughtBy: test('outbound/found/fourConnections'),
  },
  {
    name: 'noneAfterACrash',
    what: 'a new owner has no connection until the former ones are gone',
    edits: [room('lease', 'const wanted = Math.max(1, ', 'const wanted = Math.max(0, ')],
    caughtBy: figure('startSeconds', 240, 'oneConnection', 200),
  },
  {
    name: 'claimBeforeConnect',
    what: 'messages are claimed before there is a connection for them',
    edits: [
      room(
        'sending',
        '    if (line === undefined) {\n      this.#lines?.open();\n      return { waitMs: doors.numbers.turnMs };',
        '    if (line === undefined) {\n      this.#lines?.open();\n      await claim(prepared, shift);\n      return { waitMs: doors.numbers.turnMs };',
      ),
    ],
    caughtBy: test('outbound/holds', 'the server out of reach'),
  },
  {
    name: 'sweepTrustsLeases',
    what: 'the sweep takes any lease for somebody at work',
    edits: [
      room(
        'sweep',
        "return early < box.lease.until ? undefined : 'lease not given back'",
        'return undefined',
      ),
    ],
    caughtBy: figure('startSeconds', 800, 'lonely', 100),
  },
  {
    name: 'noLastLook',
    what: 'nobody looks once more after the lease was given back',
    edits: [room('drain', '!(await isMoreDue(shift))', '((await isMoreDue(shift)) || true)')],
    caughtBy: figure('startSeconds', 8, 'quiet', 300),
  },
  {
    name: 'oneSleepForAllLanes',
    what: 'a bulk message that must wait for tomorrow puts urgent ones to sleep',
    edits: [
      room(
        'lease',
        'Math.min(asleep.get(lane) ?? 0, latest)',
        'Math.min(Math.max(asleep.get(lane) ?? 0, ...asleep.values()), latest)',
      ),
    ],
    caughtBy: figure('urgentSeconds', 15, 'urgentBehindBulk', 24),
  },
  {
    name: 'urgentNotLookedFor',
    what: 'while others are known the urgent lane is not read again',
    edits: [room('heads', 'aged || !page.complete', '(aged && lane !== 0) || !page.complete')],
    caughtBy: test('outbound/lifecycle', 'an urgent message behind a backlog'),
  },
  // ---- one attempt
  {
    name: 'settledBeforeSent',
    what: 'an attempt is settled as accepted when it starts',
    edits: [
      room(
        'flights',
        'this.#land(flight, await line.connection.send(envelope, bytes, { remainingMs, noteRefusals }));',
        `const sending = line.connection.send(envelope, bytes, { remainingMs, noteRefusals });
      this.#land(flight, { kind: 'accepted', dotSent: true, recipients: [], reply: { code: 250, text: 'OK' } });
      await sending;`,
      ),
    ],
    caughtBy: violation('lost', 'stormy', 200),
  },
  {
    name: 'cutIsARetry',
    what: 'no reply to the final dot is an ordinary retry',
    edits: [room('attemptEnd', 'judgeFailure(failure, dotSent)', 'judgeFailure(failure, false)')],
    caughtBy: violation('duplicate', 'doubtful', 100),
  },
  {
    name: 'everyCutIsADoubt',
    what: 'a dialog that ended before the final dot is in doubt',
    edits: [
      room(
        'attemptEnd',
        'const { failure, dotSent } = result;',
        'const { failure } = result;\n  const dotSent = true;',
      ),
    ],
    caughtBy: violation('doubts', 'stormy', 200),
  },
  {
    name: 'everyRefusalIsADeadLetter',
    what: 'a 5xx is the fault of the message, also where it means the quota',
    edits: [
      room(
        'judgeReply',
        'row === undefined ? judgeUnknown',
        'row === undefined || reply.code >= 550 ? judgeUnknown',
      ),
    ],
    caughtBy: test('outbound/judgeReply'),
  },
  {
    name: 'holdsChargeMessages',
    what: 'a refusal of the sender makes the message older',
    edits: [
      room(
        'attemptEnd',
        "return { ...common, verdict: 'back', why: judgement, recipients: message.recipients };",
        `return {
        ...common,
        verdict: 'retry',
        why: judgement,
        recipients: settleRecipients(message, attempt, judged, 'deferred', judgement),
      };`,
      ),
    ],
    caughtBy: test('outbound/holds', 'quota by the server'),
  },
  {
    name: 'refusalsNotNoted',
    what: 'whom RCPT refused is not written down before the content goes',
    edits: [
      room(
        'noteRefusals',
        'const noted = await note(flight, recipients, shift);',
        'const noted = flight.message;',
      ),
    ],
    caughtBy: violation('lost', 'refusing', 100),
  },
  {
    name: 'refusalsNotRead',
    what: 'an attempt that nobody settled is in doubt for those too whom RCPT refused',
    edits: [room('moves', 'isOpen(recipient) && recipient.attempt !== open.attempt', 'isOpen(recipient)')],
    caughtBy: violation('lost', 'refusing', 100),
  },
  {
    name: 'contentBeforeNote',
    what: 'the content is given although the refusals could not be written down',
    edits: [
      {
        file: 'shared/exchange/smtpSession.ts',
        find: 'if (isRefused && !(await sender.noteRefusals(answered)))',
        replace: 'if (isRefused && !(await sender.noteRefusals(answered)) && false)',
      },
    ],
    caughtBy: test('exchange/smtpRelay', 'who was refused is written down'),
  },
  // ---- doubts
  {
    name: 'attemptNotInHeader',
    what: 'the private header names the message and not the attempt',
    edits: [room('prepare', '`${id}.${attempt}`', '`${id}.${Math.min(1, attempt)}`')],
    caughtBy: violation('', 'copiesMissing', 200),
  },
  {
    name: 'oneLook',
    what: 'what is not in Sent Items at the first look never was there',
    edits: [room('moves', 'if (before.place.look === 1)', 'if (false)')],
    caughtBy: violation('duplicate', 'doubtful', 300),
  },
  {
    name: 'lookTooEarly',
    what: 'the looks are made while the server may still accept',
    edits: [
      room(
        'moves',
        'lookAt: Math.max(deadline + numbers.graceMs, at + numbers.firstLookMs)',
        'lookAt: at + numbers.firstLookMs',
      ),
    ],
    caughtBy: violation('duplicate', 'doubtful', 300),
  },
  {
    name: 'noLookIsALook',
    what: 'a look that could not be made counts as one that found nothing',
    edits: [
      room(
        'doubts',
        'return putOffLook(message, at + numbers.lookPutOffMs);',
        'return notInSentItems(message, at, numbers);',
      ),
    ],
    caughtBy: violation('duplicate', 'doubtful', 300, 1, 2),
  },
  // ---- telling
  {
    name: 'eventBeforeOutcome',
    what: 'an event goes out before what it tells is written',
    edits: [
      room(
        'desk',
        '      const answer = await rows.commit(this.account, [',
        `      for (const one of wished.operations) {
        if (one.kind === 'insert' && one.key.startsWith('event|'))
          await this.#doors.queues.tell(String(one.fields['text']));
      }
      const answer = await rows.commit(this.account, [`,
      ),
    ],
    caughtBy: violation('order', 'deadly', 400, 1, 2, 3),
  },
  {
    name: 'deletedBeforeTold',
    what: 'the row of an event goes before the event is on the queue',
    edits: [
      room(
        'teller',
        'await this.#doors.queues.tell(',
        'this.#told.add(row.key);\n          await this.#doors.queues.tell(',
      ),
    ],
    caughtBy: violation('order', 'lostAnswers', 300),
  },
];
