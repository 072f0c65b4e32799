// The classifier on mails that no rule was written from:
//   node local/start.mjs tests/classify/heldBack.ts FOLDER LABELS [--list]
//
// LABELS is JSON: the file's name → what a reader says it is. `recipients` tells of each address that the mail names
// whether nobody should write to it again (`hard`) or not (`soft`; a delay is soft); a bounce that names none has "".
//   { "exim.msg": { "kind": "bounce", "recipients": { "kim@example.com": "hard" } }, "spam.msg": { "kind": "other" } }
//
// Prints how many bounces were recognised, how many live addresses were called dead, and how many of all were called
// wrong either way; --list names them. Mails without a label are left out and counted.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { commandLine } from '../../local/commandLine/commandLine.ts';
import { classifyMail } from '../../shared/classify/classifyMail.ts';
import type { BounceRecipient } from '../../shared/contract/classification.ts';
import { mailText } from '../../shared/mail/headers.ts';

const labelsSchema = z.record(
  z.string(),
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('bounce'), recipients: z.record(z.string(), z.enum(['hard', 'soft'])) }),
    z.strictObject({ kind: z.literal('other') }),
  ]),
);

interface Account {
  bounces: number;
  recognised: number;
  others: number;
  takenForBounces: number;
  compared: number;
  liveCalledDead: number;
  deadCalledLive: number;
  notNamed: number;
  readonly remarks: string[];
}

const { positionals, values } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: { list: { type: 'boolean', default: false } },
});
const [folder, labelsFile] = positionals;
if (folder === undefined || labelsFile === undefined) {
  console.error('node local/start.mjs tests/classify/heldBack.ts FOLDER LABELS [--list]');
  process.exitCode = 2;
} else {
  report(folder, labelsFile);
}

function report(from: string, labelsPath: string): void {
  const labels = labelsSchema.parse(JSON.parse(readFileSync(labelsPath, 'utf8')));
  const account: Account = {
    bounces: 0,
    recognised: 0,
    others: 0,
    takenForBounces: 0,
    compared: 0,
    liveCalledDead: 0,
    deadCalledLive: 0,
    notNamed: 0,
    remarks: [],
  };
  const names = readdirSync(from, { withFileTypes: true })
    .filter((one) => one.isFile())
    .map(({ name }) => name);
  for (const name of names) {
    const label = labels[name];
    if (label === undefined) continue;
    const found = classifyMail(mailText(readFileSync(join(from, name))));
    if (label.kind === 'other') {
      account.others += 1;
      if (found.kind !== 'bounce') continue;
      account.takenForBounces += 1;
      account.remarks.push(`${name}: no bounce, taken for one (${found.because})`);
      continue;
    }
    account.bounces += 1;
    if (found.kind !== 'bounce') {
      account.remarks.push(`${name}: a bounce, taken for: ${found.kind} (${found.because})`);
      continue;
    }
    account.recognised += 1;
    compare(name, Object.entries(label.recipients), found.bounce?.recipients ?? [], account);
  }
  const share = (count: number, all: number): string =>
    `${count} of ${all} (${((100 * count) / Math.max(all, 1)).toFixed(1)} %)`;
  console.log(`recall: ${share(account.recognised, account.bounces)} bounces were recognised`);
  console.log(`live called dead: ${share(account.liveCalledDead, account.compared)} recipients`);
  console.log(
    `hard/soft wrong: ${share(account.liveCalledDead + account.deadCalledLive, account.compared)} recipients`,
  );
  console.log(`address not named: ${share(account.notNamed, account.compared)} recipients`);
  console.log(`taken for bounces: ${share(account.takenForBounces, account.others)} other mails`);
  const unlabelled = names.length - account.bounces - account.others;
  if (unlabelled > 0) console.log(`without a label: ${unlabelled} files`);
  if (values.list) for (const remark of account.remarks) console.log(`  ${remark}`);
}

/** By the address or the original one; an address that was not named is compared with what stands in its place. */
function compare(
  name: string,
  wanted: readonly (readonly [string, 'hard' | 'soft'])[],
  got: readonly BounceRecipient[],
  account: Account,
): void {
  for (const [n, [address, severity]] of wanted.entries()) {
    const is = ({ address: one, original }: BounceRecipient): boolean =>
      [one, original].some((text) => text?.toLowerCase() === address.toLowerCase());
    const exact = got.find(is);
    const one = exact ?? got[n] ?? got.at(-1);
    account.compared += 1;
    if (exact === undefined) {
      account.notNamed += 1;
      account.remarks.push(
        `${name}: ${address} is not named, but ${got.map((other) => other.address).join(', ')}`,
      );
    }
    const found = one?.hard === true ? 'hard' : 'soft';
    if (found === severity) continue;
    if (found === 'hard') account.liveCalledDead += 1;
    else account.deadCalledLive += 1;
    account.remarks.push(
      `${name}: ${address} is ${severity}, called ${found} (${one?.reason ?? ''} ${one?.status ?? ''} ${one?.replyCode ?? ''}: ${one?.diagnostic.slice(0, 160) ?? ''})`,
    );
  }
}
