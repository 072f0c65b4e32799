// Planted bugs of the inbound side: each rule of a run, of identity and of the ledger switched off in turn.
import type { Check, Edit, Mutant } from './mutant.ts';

const edit = (file: string, find: string, replace: string): Edit => ({
  file: `shared/${file}.ts`,
  find,
  replace,
});
const passes = (name: string): Check => ({ by: 'test', file: 'tests/inbound/fetchMail.test.ts', name });
const ledger = (name: string): Check => ({ by: 'test', file: 'tests/storage/tableLedger.test.ts', name });

export const inboundMutants: readonly Mutant[] = [
  {
    name: 'cursorPassesNothing',
    what: 'the cursor stays where it was',
    edits: [
      edit(
        'inbound/commit',
        'const top = Math.max(cursor.lastUid, ...batch.uids);',
        'const top = cursor.lastUid;',
      ),
    ],
    caughtBy: passes('a backlog longer than the time'),
  },
  {
    name: 'unansweredIsForgotten',
    what: 'a message that the server did not answer for is skipped and not put on the retry list',
    edits: [edit('inbound/commit', 'retryList.set(uid, { uid, tryCount } satisfies RetryUid);', '')],
    caughtBy: passes('a message that cannot be fetched'),
  },
  {
    name: 'sameGenerationAlways',
    what: 'a change of UIDVALIDITY is not noticed',
    edits: [
      edit(
        'inbound/fetchMailbox',
        'if (uidValidity === session.uidValidity && uidValidity !== 0) return;',
        'if (lastUid > 0) return;',
      ),
    ],
    caughtBy: passes('a new generation of UIDs'),
  },
  {
    name: 'zeroIsAGeneration',
    what: 'UIDVALIDITY 0 is taken for a generation like any other',
    edits: [
      edit(
        'inbound/fetchMailbox',
        'uidValidity === session.uidValidity && uidValidity !== 0',
        'uidValidity === session.uidValidity',
      ),
    ],
    caughtBy: passes('a server without UIDs'),
  },
  {
    name: 'oldUidsActedOn',
    what: 'actions pending under an old UIDVALIDITY are done on the new UIDs',
    edits: [
      edit(
        'inbound/fetchMailbox',
        'one.uidValidity !== uidValidity || uidValidity === 0',
        'one.uidValidity < 0',
      ),
    ],
    caughtBy: passes('actions pending under old UIDs'),
  },
  {
    name: 'actsBeforeItIsWritten',
    what: 'messages are moved or deleted before the action is recorded',
    edits: [
      edit(
        'inbound/commit',
        '  progress.addDue(actions);',
        '  progress.addDue(actions);\n  await run.act(actions);',
      ),
    ],
    caughtBy: passes('a run that lost its lease'),
  },
  {
    name: 'lostLeaseGoesOn',
    what: 'a run whose lease went to another goes on',
    edits: [
      edit(
        'inbound/progress',
        "if (answer.kind === 'lost') throw new LeaseLost();",
        "if (answer.kind === 'lost') return [];",
      ),
    ],
    caughtBy: passes('a run that lost its lease'),
  },
  {
    name: 'nothingPending',
    what: 'an action that is due is not recorded before it is done',
    edits: [edit('inbound/progress', '      pending: due,', '      pending: [],')],
    caughtBy: passes('crashes'),
  },
  {
    name: 'noticeIsForgotten',
    what: 'a row that is there counts as announced although its notice perhaps was not published',
    edits: [
      edit(
        'inbound/ingest',
        "(known.state === 'announced' && !unannounced.has(known.id))",
        "known.state === 'announced'",
      ),
    ],
    caughtBy: passes('crashes'),
  },
  {
    name: 'oneMailForEachId',
    what: 'two mails with one identity are taken for one',
    edits: [
      edit(
        'inbound/ingest',
        'if (known.headerFingerprint !== arrival.identity.headerFingerprint) return false;',
        'return true;',
      ),
    ],
    caughtBy: passes('two different mails'),
  },
  {
    name: 'bytesAreTheIdentity',
    what: 'a mail whose MIME was rebuilt is taken for another',
    edits: [
      edit(
        'inbound/ingest',
        'return known.contentFingerprint === contentFingerprintOf(await arrival.parse());',
        'return false;',
      ),
    ],
    caughtBy: passes('a server that rebuilds MIME'),
  },
  {
    name: 'replyToIgnored',
    what: 'Reply-To is not part of the identity',
    edits: [edit('inbound/stableId', "'sender', 'reply-to', 'to'", "'sender', 'to'")],
    caughtBy: passes('another Reply-To'),
  },
  {
    name: 'newestHopCounts',
    what: 'the newest Received is part of the identity',
    edits: [
      edit(
        'inbound/stableId',
        "fieldsNamed(block, 'received').at(-1)",
        "fieldsNamed(block, 'received').at(0)",
      ),
    ],
    caughtBy: passes('delivered again'),
  },
  {
    name: 'announcedWhenKnown',
    what: 'a mail that was announced is announced again',
    edits: [
      edit(
        'inbound/ingest',
        "claimed.has(known.id) || (known.state === 'announced' && !unannounced.has(known.id))",
        'claimed.has(known.id) && unannounced.has(known.id)',
      ),
    ],
    caughtBy: passes('delivered again'),
  },
  {
    name: 'noticeBeforeBlob',
    what: 'the raw blob is not stored',
    edits: [
      edit(
        'inbound/ingest',
        "      created = (await blobs.create(rawBlobName(context, id), mail.raw, 'message/rfc822')) === 'created';",
        '      created = true;',
      ),
    ],
    caughtBy: passes('announces each message once'),
  },
  {
    name: 'forgedTagCounts',
    what: 'the keyed tag of a returned message is not checked',
    edits: [
      edit(
        'inbound/relate',
        'if (bridgeTag !== undefined && (await sent.checkTag(bridgeId, bridgeTag))) {',
        'if (bridgeTag !== undefined) {',
      ),
    ],
    caughtBy: passes('a forged one'),
  },
  {
    name: 'halfADownloadIsAMessage',
    what: 'the beginning of a long message is taken for the whole',
    edits: [edit('exchange/imapMailbox', 'whole: source.length < headBytes', 'whole: true')],
    caughtBy: passes('a long message is streamed'),
  },
  {
    name: 'refusedAllIsNone',
    what: 'one message that is refused hides its neighbours',
    edits: [
      edit(
        'exchange/imapMailbox',
        'if (together.trouble.commandRefused !== true) return together;',
        "if (together.trouble.commandRefused === true) return { kind: 'ok', rows: [] };",
      ),
    ],
    caughtBy: passes('a message that cannot be fetched'),
  },
  {
    name: 'lastMessageAgain',
    what: '`n:*` names the last message although it is below n',
    edits: [edit('exchange/imapMailbox', 'answer.uids.filter((one) => one > uid)', 'answer.uids')],
    caughtBy: passes('announces each message once'),
  },
  {
    name: 'leaseForEverybody',
    what: 'a live lease is not respected',
    edits: [
      edit(
        'storage/tableLedger',
        "if (row !== undefined && row.leaseTag !== '' && row.leaseUntil > claim.now) {",
        'if (row !== undefined && row.leaseUntil < 0) {',
      ),
    ],
    caughtBy: ledger('a lease is taken once'),
  },
  {
    name: 'cursorWithoutETag',
    what: 'the cursor is written whoever wrote it last',
    edits: [edit('storage/tableLedger', "'Merge', { etag: lease.version }]", "'Merge', { etag: '*' }]")],
    caughtBy: ledger('who lost the lease'),
  },
  {
    name: 'entryOverwritten',
    what: 'another mail under a used id replaces the first',
    edits: [
      edit(
        'storage/tableLedger',
        "['create', inPartition(messageRow(entry))]",
        "['upsert', inPartition(messageRow(entry))]",
      ),
    ],
    caughtBy: ledger('a row that must not be there'),
  },
  {
    name: 'contentDayStays',
    what: 'content of a message that is announced again is removed too early',
    edits: [edit('storage/tableLedger', "knownDay === '' || knownDay === content.day", "knownDay !== ''")],
    caughtBy: ledger('moves its content row'),
  },
];
