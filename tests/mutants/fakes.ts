// Planted bugs of the fakes: each precondition that a fake shares with the real adapter removed in turn. A fake that takes
// what the adapter refuses would let every test of it pass, so the contract suites must notice.
import type { Check, Mutant } from './mutant.ts';

const suite = (file: string, name: string): Check => ({
  by: 'test',
  file: `tests/contracts/${file}.test.ts`,
  name,
});
const stores = (part: string): Check => suite('stores', `the memory models ${part}`);
const lookup = (file: string): Check => suite(file, 'the model of');

const without = (file: string, find: string, replace = ''): Mutant['edits'] => [
  { file: `tests/${file}.ts`, find, replace },
];

export const fakeMutants: readonly Mutant[] = [
  {
    name: 'fakeTakesAnyKey',
    what: 'a key that the table refuses is read',
    edits: without('models/memoryRows', '    checkKey(partition);\n    checkKey(key);\n'),
    caughtBy: stores('rows'),
  },
  {
    name: 'fakeQueriesAnything',
    what: "a query without the table's limits",
    edits: without('models/memoryRows', '    checkQuery(partition, range.limit);\n'),
    caughtBy: stores('rows'),
  },
  {
    name: 'fakeCommitsAnything',
    what: 'a transaction is not checked as the table checks it',
    edits: without('models/memoryRows', '    checkOperations(partition, operations);\n'),
    caughtBy: stores('rows'),
  },
  {
    name: 'fakeRowsGrow',
    what: 'a merged row of more than 1 MiB is taken',
    edits: without(
      'models/memoryRows',
      '        if (sizeOf(fields) > rowBytes) throw new RangeError(`row ${operation.key} has more than 1 MiB`);\n',
    ),
    caughtBy: stores('rows'),
  },
  {
    name: 'fakeInsertsTwice',
    what: 'an insert replaces the row that is there',
    edits: without(
      'models/memoryRows',
      "return stored === undefined ? undefined : 'exists';",
      'return undefined;',
    ),
    caughtBy: stores('rows'),
  },
  {
    name: 'fakeMergesNothing',
    what: 'what is not there can be changed',
    edits: without(
      'models/memoryRows',
      "  if (stored === undefined) return 'missing';\n",
      '  if (stored === undefined) return undefined;\n',
    ),
    caughtBy: stores('rows'),
  },
  {
    name: 'fakeIgnoresTags',
    what: 'an ETag is not compared',
    edits: without(
      'models/memoryRows',
      'operation.etag === undefined || operation.etag === stored.etag ?',
      "operation.etag !== '' ?",
    ),
    caughtBy: stores('rows'),
  },
  {
    name: 'fakeQueueTakesAnyText',
    what: 'a queue takes what is not printable ASCII',
    edits: without(
      'models/memoryQueues',
      "  if (!/^[\\x20-\\x7e]*$/.test(text)) throw new RangeError('a queue message must be printable ASCII');\n",
    ),
    caughtBy: stores('queues'),
  },
  {
    name: 'fakeQueueTakesAnyLength',
    what: 'a queue takes more than 64 KiB',
    edits: without(
      'models/memoryQueues',
      '  if (text.length > mostBytes) throw new RangeError(`a queue message of ${text.length} bytes`);\n',
    ),
    caughtBy: stores('queues'),
  },
  {
    name: 'fakeContentsTakeAnyName',
    what: 'a content is put under another name than its hash',
    edits: without(
      'models/memoryContents',
      "    if (name !== sha256(bytes)) throw new Error('a content is named by the SHA-256 of its bytes');\n",
    ),
    caughtBy: stores('contents'),
  },
  {
    name: 'fakeContentsShareBytes',
    what: "a content changes with the caller's bytes",
    edits: without('models/memoryContents', 'const copy = Uint8Array.from(bytes);', 'const copy = bytes;'),
    caughtBy: stores('contents'),
  },
  {
    name: 'fakeAdoptsAnything',
    what: 'a reference into another container is read',
    edits: without(
      'models/memoryContents',
      "    if (readBlobReference(reference, uploadContainer).kind === 'refused') return { kind: 'forbidden' };\n",
    ),
    caughtBy: stores('contents'),
  },
  {
    name: 'fakeAdoptsAnySize',
    what: 'an upload may be larger than allowed',
    edits: without(
      'models/memoryContents',
      "      if (bytes.length > maxBytes) return { kind: 'tooLarge' };\n",
    ),
    caughtBy: stores('contents'),
  },
  {
    name: 'fakeRemovesWhatIsYoung',
    what: 'a content is removed whatever its age',
    edits: without(
      'models/memoryContents',
      '      if (stored.putAt + olderThanMs >= this.#world.now) return false;\n',
    ),
    caughtBy: stores('contents'),
  },
  {
    name: 'fakeFindsAnyAttempt',
    what: 'the copy of one attempt proves another',
    edits: without(
      'models/modelSentItems',
      'one.bridgeId === attemptOf(bridgeId)',
      'one.bridgeId[0] === bridgeId[0]',
    ),
    caughtBy: lookup('sentItems'),
  },
  {
    name: 'fakeFindsOldCopies',
    what: 'a copy of days ago proves an attempt of now',
    edits: without('models/modelSentItems', ' &&\n          one.visibleAt >= notBefore - slackMs'),
    caughtBy: lookup('sentItems'),
  },
  {
    name: 'fakeReadsWithoutEnd',
    what: 'a lookup reads as often as it has ids',
    edits: without(
      'inbound/memoryStore',
      'readable.slice(0, mostReads - (named === undefined ? 1 : 2))',
      'readable',
    ),
    caughtBy: lookup('sentMessages'),
  },
  {
    name: 'fakeNotesTwice',
    what: 'a bounce is recorded again for the same notice',
    edits: without('inbound/memoryStore', ' || this.#noted.has(key)'),
    caughtBy: lookup('sentMessages'),
  },
  {
    name: 'fakeNotesForAnybody',
    what: 'a bounce is recorded for a mailbox that did not send it',
    edits: without('inbound/memoryStore', 'this.#sent.get(id)?.mailbox !== mailbox || '),
    caughtBy: lookup('sentMessages'),
  },
  {
    name: 'fakeTakesAnyTag',
    what: 'any tag is taken for the keyed hash',
    edits: without(
      'inbound/memoryStore',
      "return tag === createHash('sha256').update(`secret ${bridgeId}`).digest('hex');",
      "return tag !== '';",
    ),
    caughtBy: lookup('sentMessages'),
  },
];
