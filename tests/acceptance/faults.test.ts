// Every check of the acceptance run fails once on purpose: each has a fault of the emulators that makes it fail, and no
// other check.
//
// A run for each fault would take ten minutes. So each fault is injected in three of six runs, with other faults beside
// it, each in another three. Of any two faults one is then injected in some run without the other: if in every run
// exactly the checks fail whose faults were injected, then no fault makes another check fail, and every check passed
// beside every fault. The rest (a fault that takes long to show, and those without which nothing can be looked at) have
// runs of their own.
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkIds,
  runAcceptance,
  type AcceptanceReport,
  type RunOptions,
} from '../../local/acceptance/acceptance.ts';
import { storeAccess } from '../../local/acceptance/bridgeAccess.ts';
import {
  absent,
  gone,
  startRehearsal,
  testMailbox,
  type Rehearsal,
} from '../../local/acceptance/rehearsal.ts';
import { lineOf, summaryOf } from '../../local/acceptance/report.ts';
import { buildPackage } from '../../local/build/buildPackage.ts';
import type { RecipientRule } from '../../local/emulators/exchange/quirks.ts';
import { systemClock } from '../../shared/clock.ts';

jest.setTimeout(600_000);
const packageFolder = mkdtempSync(join(tmpdir(), 'acceptance-'));
let rehearsal: Rehearsal;
let front: Server;

beforeAll(async () => {
  await buildPackage(packageFolder);
  rehearsal = await startRehearsal({
    appFolder: packageFolder,
    clock: systemClock,
    periodMs: 6_000,
    // As long as a busy machine may need: nothing here is measured.
    numbers: { waitMs: 180_000, returnMs: 120_000, pollMs: 300, largeBytes: 1_500_000, folderCount: 120 },
  });
  // In front of the app: a gateway that has lost it.
  front = createServer((_request, response) => {
    response.writeHead(503).end();
  });
  await new Promise<void>((resolve) => {
    front.listen(0, '127.0.0.1', resolve);
  });
}, 400_000);

afterAll(async () => {
  front.close();
  await rehearsal.close();
  rmSync(packageFolder, { recursive: true, force: true });
});

/** What a gateway makes of the message of one check. */
type Rewrite = (content: string, place: 'sentItems' | 'inbox') => string;

interface Fault {
  readonly check: string;
  /** What is wrong, as an administrator would say it. */
  readonly what: string;
  readonly rewrite?: Rewrite;
  readonly recipient?: readonly [string, RecipientRule];
  readonly inject?: (rehearsal: Rehearsal, run: string) => void;
}

const refusal = (enhanced: string) =>
  ({ kind: 'reply', code: 550, enhanced, text: 'Refused on purpose' }) as const;
const inInbox =
  (change: (content: string) => string): Rewrite =>
  (content, place) =>
    place === 'inbox' ? change(content) : content;
/** Refuses the message with this mark at the end of its content. */
const refuse =
  (marked: string, enhanced: string, skip = 0): NonNullable<Fault['inject']> =>
  ({ stack }) => {
    stack.exchange.injectFault({ protocol: 'smtp', at: 'dot', marked, skip, does: refusal(enhanced) });
  };

const faults: readonly Fault[] = [
  { check: 'send', what: 'the server refuses the message for good', inject: refuse('-send.', '5.6.11') },
  {
    check: 'letters',
    what: 'a gateway declares another character set',
    rewrite: inInbox((content) => content.replaceAll(/charset="?utf-8"?/gi, 'charset=iso-8859-15')),
  },
  {
    check: 'once',
    what: 'a rule of the mailbox files a second copy',
    rewrite: (content, place) => {
      if (place === 'inbox') rehearsal.stack.exchange.store.mailbox(testMailbox).deliver(content);
      return content;
    },
  },
  {
    check: 'alias',
    what: 'Exchange replaces the alias in From',
    rewrite: inInbox((content) => content.replace(/^From: .*$/m, `From: <${testMailbox}>`)),
  },
  {
    check: 'sendAs',
    what: 'the grant is Send on Behalf',
    rewrite: inInbox((content) => `Sender: <${testMailbox}>\r\n${content}`),
  },
  {
    check: 'inlinePicture',
    what: 'a gateway drops Content-ID',
    rewrite: inInbox((content) => content.replaceAll(/^Content-ID:.*\r\n/gim, '')),
  },
  {
    check: 'attachmentNames',
    what: 'a gateway renames attachments',
    rewrite: inInbox((content) =>
      content.replaceAll(/\b(file)?name\*?\d*\*?=("[^"]*"|[^;\r\n]+)/gi, 'filename="ATT00001.txt"'),
    ),
  },
  {
    check: 'large',
    what: 'a gateway changes attachments',
    rewrite: inInbox((content) => {
      const middle = Math.floor(content.length / 2);
      return content.slice(0, middle) + content.slice(middle).replace(/[A-M]/, 'z');
    }),
  },
  {
    check: 'invitation',
    what: 'IMAP gives no calendar part',
    rewrite: inInbox((content) => content.replaceAll(/text\/calendar/gi, 'text/plain')),
  },
  {
    check: 'sentItems',
    what: 'a transport rule removes unknown header fields',
    rewrite: (content, place) =>
      place === 'sentItems' ? content.replace(/^X-Mail-Bridge-Id:.*\r\n/im, '') : content,
  },
  {
    check: 'messageId',
    what: 'the Message-ID is replaced by one that no reply named',
    rewrite: (content) => content.replace(/^Message-ID:.*$/im, 'Message-ID: <other@gateway.example>'),
  },
  {
    check: 'bounce',
    what: 'the address exists, and its mailbox is disabled',
    recipient: [gone, { kind: 'refuse', reply: '550 5.2.1 Mailbox disabled' }],
  },
  {
    check: 'absence',
    what: 'the address of somebody away does not exist',
    recipient: [absent, { kind: 'refuse', reply: '550 5.1.1 User unknown' }],
  },
  {
    check: 'move',
    what: 'the server refuses MOVE',
    inject: ({ stack }, run) => {
      const does = { kind: 'answer', status: 'NO', text: 'Refused on purpose' } as const;
      stack.exchange.injectFault({
        protocol: 'imap',
        at: 'UID MOVE',
        folder: `Acceptance ${run} from`,
        does,
      });
    },
  },
  {
    check: 'largeFolder',
    what: 'the server refuses to search the large folder',
    inject: ({ stack }, run) => {
      const does = { kind: 'answer', status: 'NO', text: 'Refused on purpose' } as const;
      stack.exchange.injectFault({
        protocol: 'imap',
        at: 'UID SEARCH',
        folder: `Acceptance ${run} large`,
        does,
      });
    },
  },
  {
    check: 'burst',
    what: 'one message of the burst is refused for good',
    inject: refuse('-burst-7.', '5.6.11'),
  },
  {
    check: 'overRate',
    what: 'the 31st message is refused with words that are in no table',
    inject: refuse('overRate] ', '5.9.9', 30),
  },
  {
    check: 'overConnections',
    what: 'a fourth connection is refused with words that are in no table',
    inject: refuse('overConnections] ', '5.9.9'),
  },
];

let runs = 0;

/** One run with these faults; afterwards the emulators are as they were. */
async function runWith(
  injected: readonly Fault[],
  options: Partial<RunOptions> = {},
): Promise<AcceptanceReport> {
  const { exchange } = rehearsal.stack;
  runs += 1;
  const run = `run${String(runs)}`;
  const rewrites = injected.flatMap(({ check, rewrite }) =>
    rewrite === undefined ? [] : [{ check, rewrite }],
  );
  exchange.smtp.rewrite = ({ bridgeId }, content, place) => {
    const own = rewrites.find(({ check }) => bridgeId?.includes(`-${run}-${check}.`) === true);
    return own === undefined
      ? content
      : Buffer.from(own.rewrite(content.toString('latin1'), place), 'latin1');
  };
  const normal: readonly (readonly [string, RecipientRule])[] = [
    [gone, { kind: 'bounce', status: '5.1.10', afterMs: 500 }],
    [absent, { kind: 'outOfOffice', afterMs: 500 }],
  ];
  for (const [address, rule] of normal) exchange.recipient(address, rule);
  for (const { recipient, inject } of injected) {
    if (recipient !== undefined) exchange.recipient(...recipient);
    inject?.(rehearsal, run);
  }
  try {
    return await runAcceptance({ ...rehearsal.options, run, ...options });
  } finally {
    exchange.smtp.rewrite = undefined;
    exchange.clearFaults();
  }
}

const idsWith = ({ checks }: AcceptanceReport, outcome: string): readonly string[] =>
  checks.filter((check) => check.outcome === outcome).map(({ id }) => id);
/** In the order of the report, whatever the order of the table. */
const inOrder = (ids: readonly string[]): readonly string[] => checkIds.filter((id) => ids.includes(id));
const withRunsOfTheirOwn = ['app', 'signIn', 'fetch'];

/** The 20 ways to choose three of six runs, each as a set of run numbers. */
const triples = Array.from({ length: 64 }, (_, bits) =>
  [0, 1, 2, 3, 4, 5].filter((run) => (bits & (1 << run)) !== 0),
).filter(({ length }) => length === 3);

test('every check has a fault', () => {
  expect([...faults.map(({ check }) => check), ...withRunsOfTheirOwn].sort()).toEqual([...checkIds].sort());
  expect(triples.length).toBeGreaterThanOrEqual(faults.length);
});

test.each([0, 1, 2, 3, 4, 5])('exactly the checks fail whose faults are injected: run %i', async (number) => {
  const injected = faults.filter((_, at) => triples[at]?.includes(number) === true);
  const report = await runWith(injected);
  expect({ failed: idsWith(report, 'failed'), notDone: idsWith(report, 'notDone') }).toEqual({
    failed: inOrder(injected.map(({ check }) => check)),
    notDone: [],
  });
  // Whatever fails says what to do about it, within 80 columns.
  for (const check of report.checks.filter(({ outcome }) => outcome === 'failed'))
    expect(check.remedy ?? check.detail).toMatch(/\w{3}/);
  expect(Math.max(...report.checks.map((check) => widest(lineOf(check))))).toBeLessThanOrEqual(80);
  expect(report.left.join()).toMatch(/In the mailbox: nothing; \d+ messages were deleted/);
});

test('fetch fails alone if another program reads the folder too', async () => {
  const inbox = rehearsal.stack.exchange.store.mailbox(testMailbox).role('inbox');
  const end = inbox.onChange(() => {
    for (const { uid, content } of inbox.messages)
      if (content.header().buffer().toString('latin1').includes(' fetch] ')) inbox.remove(uid);
  });
  try {
    const report = await runWith([]);
    expect(idsWith(report, 'failed')).toEqual(['fetch']);
    expect(idsWith(report, 'passed')).toHaveLength(checkIds.length - 1);
  } finally {
    end();
  }
});

test('app fails alone if the app is not reached', async () => {
  const address = front.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? String(address?.port) : ''}`;
  const report = await runWith([], {
    app: url,
    bridge: storeAccess(url, rehearsal.stack.store),
    only: ['app', 'signIn', 'send'],
  });
  expect(idsWith(report, 'failed')).toEqual(['app']);
  expect(idsWith(report, 'passed')).toEqual(['signIn', 'send']);
});

test('signIn fails alone if IMAP is off; what needs the mailbox is not done, and not called failed', async () => {
  const { exchange } = rehearsal.stack;
  exchange.account({ address: testMailbox, imap: 'off' });
  try {
    const report = await runWith([]);
    expect(idsWith(report, 'failed')).toEqual(['signIn']);
    expect(idsWith(report, 'passed')).toEqual(['app']);
    expect(report.checks.find(({ id }) => id === 'signIn')?.remedy).toContain('ImapEnabled');
    expect(report.answers.open.length).toBeGreaterThan(4);
  } finally {
    exchange.account({ address: testMailbox, imap: 'on' });
  }
});

test('without its options a check is not done and says which one it needs; the answers hold no address', async () => {
  const { alias, sendAs, absent: away, ...options } = rehearsal.options;
  expect([alias, sendAs, away]).not.toContain(undefined);
  const only = ['alias', 'sendAs', 'absence', 'bounce', 'fetch', 'sentItems'];
  const report = await runAcceptance({
    ...options,
    run: 'bare',
    only,
    mailbox: { ...options.mailbox, receive: false },
  });
  expect(idsWith(report, 'notDone')).toEqual(['alias', 'sendAs', 'bounce', 'absence', 'fetch']);
  expect(report.checks.map(({ remedy }) => remedy ?? '').join()).toMatch(/--alias.*--send-as.*--absent/);
  expect(JSON.stringify(report.answers)).not.toContain('@');
  expect(widest(summaryOf(report))).toBeLessThanOrEqual(82);
});

function widest(text: string): number {
  return Math.max(...text.split('\n').map((line) => line.length));
}
