// Planted bugs of the outbound side: each rule of the protocol switched off in turn.
import type { FaultProfileName } from '../simulation/faultProfile.ts';
import type { Check, Edit, Figure, Mutant } from './mutant.ts';

const outbound = (file: string, find: string, replace: string): Edit => ({
  file: `shared/outbound/${file}.ts`,
  find,
  replace,
});
const limits = (file: string, find: string, replace: string): Edit => ({
  file: `shared/limits/${file}.ts`,
  find,
  replace,
});
const violation = (kind: string, profile: FaultProfileName, messages: number, ...seeds: number[]): Check => ({
  by: 'violation',
  kind,
  profile,
  messages,
  seeds: seeds.length === 0 ? [1] : seeds,
});
const figure = (name: Figure, atMost: number, profile: FaultProfileName, messages: number): Check => ({
  by: 'figure',
  figure: name,
  atMost,
  profile,
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
      outbound(
        'store/writes',
        "...(index === undefined ? [] : [{ kind: 'insert', ...index } as const]),\n    await",
        'await',
      ),
    ],
    caughtBy: violation('lost', 'quiet', 20),
  },
  {
    name: 'otherContentAccepted',
    what: 'another content under a used id is called a repeat',
    edits: [
      outbound('accept/acceptMail', 'if (first.hash === message.hash)', 'if (first.id === message.id)'),
    ],
    caughtBy: violation('identity', 'twoContents', 60),
  },
  {
    name: 'blobNamedById',
    what: 'a content is stored under its id, not its hash',
    edits: [
      outbound(
        'accept/acceptMail',
        'await contents.put(name, content)',
        'await contents.put(submission.id, content)',
      ),
      outbound(
        'accept/acceptMail',
        'content: isLarge ? name : content',
        'content: isLarge ? submission.id : content',
      ),
    ],
    caughtBy: violation('identity', 'twoContents', 60),
  },
  // ---- one lock
  {
    name: 'stateWithoutCondition',
    what: 'the account row is written without a condition',
    edits: [
      outbound(
        'store/accountTransaction',
        "{ kind: 'replace', key: stateKey, fields, etag }",
        "{ kind: 'replace', key: stateKey, fields }",
      ),
    ],
    caughtBy: violation('', 'deadly', 300, 1, 2),
  },
  {
    name: 'lostAnswerTakenForDone',
    what: 'a transaction without an answer counts as applied',
    edits: [
      outbound(
        'store/accountTransaction',
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
      outbound('sending/claim', 'if (claimed !== undefined)', 'if (false)'),
      outbound(
        'sending/leaseTasks',
        'if (active.owner === tag && !this.#attempts.has(active.tag))',
        'if (false)',
      ),
      outbound(
        'store/accountTransaction',
        'if (this.#state.writtenBy === sent.state.writtenBy)',
        'if (false)',
      ),
    ],
    caughtBy: figure('doubts', 0, 'lostAnswers', 300),
  },
  {
    name: 'dueRowDeletedAtClaim',
    what: 'the claim deletes the due row, which no recovery restores',
    edits: [
      outbound(
        'sending/claim',
        "      result: { kind: 'claimed', active, probed },",
        "      operations: [{ kind: 'delete', key: entry.key }],\n      result: { kind: 'claimed', active, probed },",
      ),
    ],
    caughtBy: violation('', 'quiet', 20),
  },
  // ---- the limits
  {
    name: 'missingReplyFreesSlot',
    what: 'a slot is released early without a reply',
    edits: [outbound('sending/settle', '...(outcome.certain ? releaseEarly', '...(true ? releaseEarly')],
    caughtBy: violation('limit', 'lateServer', 400, 1, 2),
  },
  {
    name: 'slotFreedAtCrash',
    what: 'an abandoned attempt releases its slot',
    edits: [
      outbound(
        'sending/abandonedAttempts',
        'return { state: { ...state, activeAttempts }, operations',
        'return { state: { ...state, slots: [], activeAttempts }, operations',
      ),
    ],
    caughtBy: violation('limit', 'lateServer', 400, 1, 2, 3, 4),
  },
  {
    name: 'oneMoreThanTheLimit',
    what: 'the last slot is assigned twice',
    edits: [limits('limiter', 'limits.messagesPerMinute - 1', 'limits.messagesPerMinute')],
    caughtBy: violation('limit', 'backlog', 100),
  },
  {
    name: 'oneClockBound',
    what: 'slots are written with the earliest bound',
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
    name: 'boundsSwapped',
    what: 'slots are written with the earliest bound and judged with the latest',
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
    what: 'the day is charged at the time of the claim, not of the latest possible arrival',
    edits: [
      limits('limiter', 'Math.ceil(latestAt / dayBucketMs)', 'Math.ceil((latestAt - 840_000) / dayBucketMs)'),
    ],
    caughtBy: violation('limit', 'shortDay', 300, 1, 2),
  },
  {
    name: 'dayBucketRoundedDown',
    what: 'a bucket of the day ends before its contents',
    edits: [limits('limiter', 'Math.ceil(latestAt / dayBucketMs)', 'Math.floor(latestAt / dayBucketMs)')],
    caughtBy: test('limits/limiter'),
  },
  {
    name: 'failedAttemptsRefunded',
    what: 'recipients of a refused attempt are refunded at once, not moved by the next claim',
    edits: [
      outbound(
        'sending/settle',
        '...(outcome.reply === undefined ? {} : meanDuration(state, attempt)),',
        `...(outcome.reply === undefined ? {} : meanDuration(state, attempt)),
    ...(outcome.verdict === 'accepted' || outcome.verdict === 'inDoubt'
      ? {}
      : { day: state.day.map(([second, count], index, all) =>
          [second, index < all.length - 1 ? count : Math.max(0, count - outcome.recipients.length)] as const) }),`,
      ),
    ],
    caughtBy: violation('counter', 'stormy', 200),
  },
  // ---- the lease and the connections
  {
    name: 'orphanedConnectionsIgnored',
    what: 'orphaned connections are not counted',
    edits: [
      outbound(
        'policy/connections',
        'if (state.lease === undefined) return [];',
        'if (state !== undefined) return [];',
      ),
    ],
    caughtBy: violation('limit', 'deadly', 300, 1, 2),
  },
  {
    name: 'fourthConnection',
    what: 'a new owner always has a connection, however many are orphaned',
    edits: [
      outbound(
        'policy/connections',
        'return Math.max(0, Math.min(wanted, Math.max(setting, serverConnectionCount) - orphanedCount));',
        'return wanted;',
      ),
    ],
    caughtBy: test('outbound/found/fourConnections'),
  },
  {
    name: 'noneAfterACrash',
    what: 'a new owner has no connection while others are orphaned',
    edits: [outbound('policy/connections', 'const wanted = Math.max(1, ', 'const wanted = Math.max(0, ')],
    caughtBy: figure('startSeconds', 240, 'oneConnection', 200),
  },
  {
    name: 'claimBeforeConnect',
    what: 'messages are claimed before there is a connection for them',
    edits: [
      outbound(
        'sending/dispatcher',
        '    if (pooled === undefined) {\n      this.#pool.open();\n      return poll(',
        '    if (pooled === undefined) {\n      this.#pool.open();\n      await claim(ready, this.#session);\n      return poll(',
      ),
    ],
    caughtBy: test('outbound/holds', 'the server out of reach'),
  },
  {
    name: 'sweepTrustsLeases',
    what: 'the sweep takes any lease for a running drain',
    edits: [
      outbound(
        'upkeep/sweep',
        "return earliest < state.lease.until ? undefined : 'lease not given back'",
        'return undefined',
      ),
    ],
    caughtBy: figure('startSeconds', 800, 'lonely', 100),
  },
  {
    name: 'noLastCheck',
    what: 'no check for due messages after the lease is released',
    edits: [outbound('sending/drain', '!(await isMoreDue(session))', '((await isMoreDue(session)) || true)')],
    caughtBy: figure('startSeconds', 8, 'quiet', 300),
  },
  {
    name: 'oneBackoffForAllLanes',
    what: 'a bulk message that must wait for tomorrow delays urgent ones',
    edits: [
      outbound(
        'sending/lease',
        'Math.min(refusedUntil.get(lane) ?? 0, latest)',
        'Math.min(Math.max(refusedUntil.get(lane) ?? 0, ...refusedUntil.values()), latest)',
      ),
    ],
    caughtBy: figure('urgentSeconds', 15, 'urgentBehindBulk', 24),
  },
  {
    name: 'urgentLaneNotPolled',
    what: 'an empty urgent lane is not read again',
    edits: [
      outbound(
        'sending/dueQueue',
        '!page.complete || clock.monotonic() - page.readAt',
        '!page.complete || (lane === 0 ? 0 : clock.monotonic()) - page.readAt',
      ),
    ],
    caughtBy: test('outbound/lifecycle', 'an urgent message behind a backlog'),
  },
  // ---- one attempt
  {
    name: 'settledBeforeSent',
    what: 'an attempt is settled as accepted when it starts',
    edits: [
      outbound(
        'sending/inFlightAttempts',
        'this.#end(attempt, await connection.send(envelope, bytes, { remainingMs, recordRefusals }));',
        `const sending = connection.send(envelope, bytes, { remainingMs, recordRefusals });
      this.#end(attempt, { kind: 'accepted', dotSent: true, recipients: [], reply: { code: 250, text: 'OK' } });
      await sending;`,
      ),
    ],
    caughtBy: violation('lost', 'stormy', 200),
  },
  {
    name: 'cutIsARetry',
    what: 'no reply to the final dot is an ordinary retry',
    edits: [
      outbound('policy/attemptResult', 'judgeFailure(failure, dotSent)', 'judgeFailure(failure, false)'),
    ],
    caughtBy: violation('duplicate', 'inDoubt', 100),
  },
  {
    name: 'everyCutIsADoubt',
    what: 'a dialog that ended before the final dot is in doubt',
    edits: [
      outbound(
        'policy/attemptResult',
        'const { failure, dotSent } = result;',
        'const { failure } = result;\n  const dotSent = true;',
      ),
    ],
    caughtBy: violation('doubts', 'stormy', 200),
  },
  {
    name: 'everyRefusalIsADeadLetter',
    what: 'a 5xx is charged to the message, also if it means the quota',
    edits: [
      outbound(
        'policy/judgeReply',
        'row === undefined ? judgeUnknown',
        'row === undefined || reply.code >= 550 ? judgeUnknown',
      ),
    ],
    caughtBy: test('outbound/judgeReply'),
  },
  {
    name: 'holdsChargeMessages',
    what: 'a refusal of the sender is charged to the message',
    edits: [
      outbound(
        'policy/attemptResult',
        "return { ...common, verdict: 'requeue', why: judgement, recipients: message.recipients };",
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
    name: 'refusalsNotRecorded',
    what: 'recipients refused at RCPT are not recorded before the content is sent',
    edits: [
      outbound(
        'sending/recordRefusals',
        'const recorded = await record(attempt, recipients, session);',
        'const recorded = attempt.message;',
      ),
    ],
    caughtBy: violation('lost', 'refusing', 100),
  },
  {
    name: 'refusalsNotRead',
    what: 'an abandoned attempt is in doubt for refused recipients too',
    edits: [
      outbound(
        'policy/transitions',
        'isOpen(recipient) && recipient.attempt !== open.attempt',
        'isOpen(recipient)',
      ),
    ],
    caughtBy: violation('lost', 'refusing', 100),
  },
  {
    name: 'contentBeforeRecord',
    what: 'the content is sent although the refusals could not be recorded',
    edits: [
      {
        file: 'shared/exchange/smtpSession.ts',
        find: 'if (isRefused && !(await sender.recordRefusals(answered)))',
        replace: 'if (isRefused && !(await sender.recordRefusals(answered)) && false)',
      },
    ],
    caughtBy: test('exchange/smtpRelay', 'who was refused is written down'),
  },
  // ---- doubts
  {
    name: 'attemptNotInHeader',
    what: 'the private header names the message and not the attempt',
    edits: [outbound('records/messageIds', '`${id}.${attempt}.${', '`${id}.${Math.min(1, attempt)}.${')],
    caughtBy: violation('', 'copiesMissing', 200),
  },
  {
    name: 'oneLookup',
    what: 'a message not found at the first lookup counts as not sent',
    edits: [outbound('policy/transitions', 'if (before.indexEntry.lookup === 1)', 'if (false)')],
    caughtBy: violation('duplicate', 'inDoubt', 300),
  },
  {
    name: 'lookupTooEarly',
    what: 'lookups run while the server may still accept',
    edits: [
      outbound(
        'policy/transitions',
        'lookupAt: Math.max(deadline + numbers.graceMs, at + numbers.firstLookupMs)',
        'lookupAt: at + numbers.firstLookupMs',
      ),
    ],
    caughtBy: violation('duplicate', 'inDoubt', 300),
  },
  {
    name: 'failedLookupCounts',
    what: 'a failed lookup counts as one that found nothing',
    edits: [
      outbound(
        'sending/sentItemsLookup',
        'return postponeLookup(message, at + numbers.lookupRetryMs);',
        'return notInSentItems(message, at, numbers);',
      ),
    ],
    caughtBy: violation('duplicate', 'inDoubt', 300, 1, 2),
  },
  // ---- publishing
  {
    name: 'eventBeforeOutcome',
    what: 'an event is published before its outcome is written',
    edits: [
      outbound(
        'store/accountTransaction',
        '      const answer = await rows.commit(this.account, [',
        `      for (const one of operations) {
        if (one.kind === 'insert' && one.key.startsWith('event|'))
          await this.#dependencies.queues.publish(String(one.fields['text']));
      }
      const answer = await rows.commit(this.account, [`,
      ),
    ],
    caughtBy: violation('order', 'lostAnswers', 400, 1, 2, 3),
  },
  {
    name: 'deletedBeforePublished',
    what: 'the row of an event is deleted before it is published',
    edits: [
      outbound(
        'sending/publisher',
        'await this.#putOrSetAside(key, fields);',
        'this.#published.add(key);\n      await this.#putOrSetAside(key, fields);',
      ),
    ],
    caughtBy: violation('order', 'lostAnswers', 300),
  },

  // ---- rules that only a test of their own guards
  {
    name: 'pauseOverwritten',
    what: 'a person’s pause is overwritten by an attempt that fails in flight',
    edits: [outbound('policy/holds', "if (placedBefore.reason === 'paused') return state;", '')],
    caughtBy: test('outbound/rules', 'a person’s pause'),
  },
  {
    name: 'refusalsNeverReset',
    what: 'an acceptance does not reset the count of refusals',
    edits: [outbound('policy/holds', 'countAcceptance(state, mailbox),', 'state,')],
    caughtBy: test('outbound/rules', 'an acceptance resets'),
  },
  {
    name: 'deferralBeyondExpiry',
    what: 'a message is deferred past its expiresAt',
    edits: [
      outbound(
        'policy/transitions',
        'at: expiresAt === undefined ? at : Math.min(at, expiresAt),',
        'at: expiresAt === undefined ? at : at,',
      ),
    ],
    caughtBy: test('outbound/rules', 'a deferral is never beyond'),
  },
  {
    name: 'oldestFirst',
    what: 'the list of recent messages begins with the oldest',
    edits: [outbound('operator/watch', 'other.changedAt - one.changedAt', 'one.changedAt - other.changedAt')],
    caughtBy: test('outbound/rules', 'the list of recent messages'),
  },
  {
    name: 'meanNeverMoves',
    what: 'the mean time from claim to reply stays what the first attempt made it',
    edits: [outbound('sending/settle', 'const weight = 0.1;', 'const weight = 0;')],
    caughtBy: test('outbound/rules', 'the mean time'),
  },
  {
    name: 'anyAccountsSubmission',
    what: 'an id that comes back is looked up in the first account, whichever it names',
    edits: [
      outbound(
        'operator/bounced',
        'dependencies.accounts.find(({ key }) => accountDigest(key) === account)',
        'dependencies.accounts.find(({ key }) => accountDigest(key) !== `${account}-`)',
      ),
    ],
    caughtBy: test('outbound/bounced', 'the same id in two accounts'),
  },
  {
    name: 'accountNotInId',
    what: 'the private header does not name the account, so the tag does not cover it',
    edits: [
      outbound(
        'records/messageIds',
        '`${id}.${attempt}.${accountDigest(account)}`',
        '`${id}.${attempt}.${accountDigest(account.slice(0, 0))}`',
      ),
    ],
    caughtBy: test('outbound/bounced', 'the tag of the private header'),
  },

  // ---- that survived when they were planted by somebody who had not read the tests
  {
    name: 'oneBatchResumed',
    what: 'of the messages that a hold set aside only the first batch comes back',
    edits: [
      outbound(
        'sending/suspended',
        'if (await resume(mailbox, session.dependencies.numbers.settleMostCount, session)) return true;',
        'await resume(mailbox, session.dependencies.numbers.settleMostCount, session);',
      ),
    ],
    caughtBy: test('outbound/rules', 'what a pause set aside'),
  },
  {
    name: 'acceptanceEndsPause',
    what: 'an acceptance ends a person’s pause',
    edits: [
      outbound(
        'policy/holds',
        "concerns(hold, mailbox) && hold.reason !== 'paused'",
        'concerns(hold, mailbox)',
      ),
    ],
    caughtBy: test('outbound/rules', 'a person’s pause outlives'),
  },
  {
    name: 'probeEndsEveryHold',
    what: 'a good probe ends the holds of other mailboxes',
    edits: [
      outbound(
        'policy/holds',
        "(one) => isSame(one, hold) && one.reason !== 'paused'",
        "(one) => one.reason !== 'paused'",
      ),
    ],
    caughtBy: test('outbound/rules', 'a good probe ends'),
  },
  {
    name: 'recipientsBlobPruned',
    what: 'a prune deletes the recipients of a waiting message',
    edits: [
      outbound(
        'records/messageRow',
        'blobs: [contentBlob, recipientsBlob, ...blobs]',
        'blobs: [contentBlob, ...blobs]',
      ),
    ],
    caughtBy: test('outbound/rules', 'a prune beside waiting'),
  },
  {
    name: 'contentBlobPruned',
    what: 'a prune deletes the content of a waiting message',
    edits: [
      outbound(
        'records/messageRow',
        'blobs: [contentBlob, recipientsBlob, ...blobs]',
        'blobs: [recipientsBlob, ...blobs]',
      ),
    ],
    caughtBy: test('outbound/rules', 'a prune beside waiting'),
  },
  {
    name: 'attachmentsPruned',
    what: 'a prune deletes the attachments of a waiting message',
    edits: [
      outbound(
        'records/messageRow',
        'blobs: [contentBlob, recipientsBlob, ...blobs]',
        'blobs: [contentBlob, recipientsBlob]',
      ),
    ],
    caughtBy: test('outbound/rules', 'a prune beside waiting'),
  },
  {
    name: 'abandonedNotCharged',
    what: 'an abandoned attempt is not charged, so a rebuilt account row forgets it',
    edits: [
      outbound(
        'policy/transitions',
        'charged: before.charged + count - movedCount(before, count),\n    chargedAt: open.deadline + numbers.graceMs,',
        'charged: before.charged,\n    chargedAt: open.deadline + numbers.graceMs,',
      ),
    ],
    caughtBy: test('outbound/rules', 'an account row lost after an abandoned'),
  },
  {
    name: 'replayKeepsAge',
    what: 'a replay keeps the age that the message was given up for',
    edits: [outbound('policy/transitions', '{ deferrals: 0, deferredMs: 0 },', '{ deferrals: 0 },')],
    caughtBy: test('outbound/rules', 'a replay starts'),
  },
  {
    name: 'anyDoubtConcluded',
    what: 'a lookup is concluded on another doubt than the one that it looked for',
    edits: [
      outbound(
        'sending/sentItemsLookup',
        'if (result === undefined || indexRow(message)?.key !== indexRow(result.message)?.key)',
        "if (result === undefined || indexRow(message)?.key === '')",
      ),
    ],
    caughtBy: test('outbound/rules', 'a lookup is never concluded'),
  },
  {
    name: 'orphansUntilLeaseOnly',
    what: 'orphaned connections are forgotten while their owner’s last attempt may still run',
    edits: [
      outbound(
        'policy/connections',
        'Math.max(until, ...deadlines)',
        'Math.max(until, ...deadlines.slice(0, 0))',
      ),
    ],
    caughtBy: test('outbound/rules', 'connections of an owner'),
  },
  {
    name: 'refusalOfOldGrant',
    what: 'a refusal of an older sign-in hits a newer consent',
    edits: [
      {
        file: 'shared/oauth/grants.ts',
        find: "textIn(fields, 'generation') === generation && !isRefused(fields)",
        replace: "textIn(fields, 'generation') !== '' && !isRefused(fields)",
      },
      {
        file: 'shared/oauth/grants.ts',
        find: 'refusedGeneration: generation,',
        replace: "refusedGeneration: textIn(fields, 'generation'),",
      },
    ],
    caughtBy: test('oauth/accessTokens', 'a refusal of an older sign-in'),
  },
  {
    name: 'lethalMessageForgotten',
    what: 'a message that ends the process is not counted across processes',
    edits: [
      outbound(
        'sending/lease',
        'session.isCautious = orphans.length > 0;',
        'session.isCautious = orphans.length < 0;',
      ),
    ],
    caughtBy: test('outbound/quarantine', 'whenever it is composed'),
  },
  {
    name: 'resentWithoutBound',
    what: 'with the policy resend a message in doubt is sent again without a bound',
    edits: [
      outbound('policy/transitions', ' && doubtCount(before) <= mostResends', ' && doubtCount(before) >= 0'),
    ],
    caughtBy: test('outbound/quarantine', 'policy resend, and never'),
  },
];
