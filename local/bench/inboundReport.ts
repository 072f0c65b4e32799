// The figures of the inbound bench and their goals. Pure.

export interface InboundFigures {
  readonly messages: number;
  readonly sizeBytes: number;
  /** Plain imapflow: every message whole, in one FETCH. The quickest of some. */
  readonly plainMs: number;
  /** The same, each message taken apart by mailparser as it comes. */
  readonly plainParsedMs: number;
  /** Our passes, to the emulator's blobs, rows and queue. */
  readonly wholeMs: number;
  readonly passes: number;
  /** Of it: at least one storage call is under way. */
  readonly storageMs: number;
  readonly storageCalls: number;
  /** Our passes where the store answers at once. The quickest of some. */
  readonly instantMs: number;
  /** All calls of a run that finds one mail. */
  readonly callsOfALoneMail: number;
  readonly callsPerMailWithThreeAttachments: number;
}

export interface InboundReport {
  readonly ok: boolean;
  readonly rows: readonly (readonly string[])[];
  readonly json: Readonly<Record<string, number | boolean>>;
}

const mostOverPercent = 25;
const mostCalls = { perMail: 2.3, ofALoneMail: 8, perMailWithThreeAttachments: 5.3 };
/** With a store that answers at once, over plain imapflow and mailparser. */
const mostOwnTimeRatio = 1.7;

export function inboundReport(figures: InboundFigures): InboundReport {
  const { messages, plainMs, plainParsedMs, wholeMs, passes, storageMs, storageCalls, instantMs } = figures;
  const outsideMs = wholeMs - storageMs;
  const over = percentOver(outsideMs, plainMs);
  const instantOver = percentOver(instantMs, plainMs);
  const instantOverParsed = percentOver(instantMs, plainParsedMs);
  const perMail = storageCalls / messages;
  const { callsOfALoneMail: alone, callsPerMailWithThreeAttachments: attached } = figures;
  const ratio = instantMs / plainParsedMs;
  const goals: readonly (readonly [what: string, figure: number, goal: number])[] = [
    ['storage calls for each of these mails', perMail, mostCalls.perMail],
    ['storage calls of a run that finds one mail', alone, mostCalls.ofALoneMail],
    ['storage calls for a mail with three attachments', attached, mostCalls.perMailWithThreeAttachments],
    ['own time: the bridge over plain imapflow and mailparser', ratio, mostOwnTimeRatio],
  ];
  const ok = over <= mostOverPercent && goals.every(([, figure, goal]) => figure <= goal);
  const each = `${messages.toLocaleString('en')} × ${figures.sizeBytes.toLocaleString('en')} bytes`;
  return {
    ok,
    rows: [
      ['plain imapflow: fetch and drop', each, seconds(plainMs), '', ''],
      ['plain imapflow and mailparser: fetch, parse and drop', each, seconds(plainParsedMs), '', ''],
      [
        'the bridge, to blobs, rows and queue',
        `${String(passes)} passes, ${String(storageCalls)} storage calls`,
        seconds(wholeMs),
        '',
        '',
      ],
      ['  of it with a storage call under way', '', seconds(storageMs), '', ''],
      ['  of it outside storage', 'no storage call under way', seconds(outsideMs), '', ''],
      [
        '  outside storage, over plain imapflow',
        'the figure',
        percent(over),
        `≤ +${String(mostOverPercent)} %`,
        over <= mostOverPercent ? 'ok' : 'NOT OK',
      ],
      [
        'the bridge, with a store that responds at once',
        'no time to overlap with',
        seconds(instantMs),
        '',
        '',
      ],
      [
        '  over plain imapflow and mailparser',
        'one of the bridge’s two parses',
        percent(instantOverParsed),
        'no goal',
        '',
      ],
      ['  over plain imapflow', 'which parses nothing', percent(instantOver), 'no goal', ''],
      ...goals.map(([what, figure, goal]) => [
        what,
        '',
        figure.toFixed(2),
        `≤ ${String(goal)}`,
        figure <= goal ? 'ok' : 'NOT OK',
      ]),
    ],
    json: {
      messages,
      sizeBytes: figures.sizeBytes,
      plainSeconds: inSeconds(plainMs),
      plainParsedSeconds: inSeconds(plainParsedMs),
      passes,
      wholeSeconds: inSeconds(wholeMs),
      storageSeconds: inSeconds(storageMs),
      storageCalls,
      outsideStorageSeconds: inSeconds(outsideMs),
      overPlainPercent: rounded(over),
      instantStorageSeconds: inSeconds(instantMs),
      instantOverPlainPercent: rounded(instantOver),
      instantOverPlainParsedPercent: rounded(instantOverParsed),
      storageCallsPerMail: hundredths(perMail),
      storageCallsOfALoneMail: hundredths(alone),
      storageCallsPerMailWithThreeAttachments: hundredths(attached),
      ownTimeRatio: hundredths(ratio),
      ok,
    },
  };
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

function percentOver(ms: number, plainMs: number): number {
  return (ms / plainMs - 1) * 100;
}

function percent(value: number): string {
  return `${value > 0 ? '+' : ''}${value.toFixed(0)} %`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}

function inSeconds(ms: number): number {
  return Math.round(ms) / 1_000;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
