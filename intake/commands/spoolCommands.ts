// What an operator does with the spool. The commands work on its files, beside a running intake or without one: what
// the running one must do is left for it as a file in control/, which it looks for each second.
import * as z from 'zod';
import type { RunningIntake } from '../runIntake.ts';
import { readTail } from '../spool/entry.ts';
import { readSmallFile, replaceFile } from '../spool/files.ts';
import { lockLocally } from '../spool/lock.ts';
import type { CommandContext } from './commandContext.ts';

const statusShape = z.looseObject({
  version: z.string(),
  startedAt: z.string(),
  waitingFor: z.string().optional(),
  lastHandedOnAt: z.string().optional(),
  certificateDaysLeft: z.number().optional(),
});

/** Ends with 1 if something needs a person: refused or damaged messages, or mail older than ten minutes. */
export async function showStatus({ settings, files, clock, print }: CommandContext): Promise<number> {
  const { folder } = settings.spool;
  const list = async (name: string): Promise<readonly string[]> => {
    const names = await files.list(`${folder}/${name}`).catch(() => []);
    return names.filter((file) => file.endsWith('.mail')).toSorted();
  };
  const [waiting, rejected, damaged] = await Promise.all([
    list('waiting'),
    list('rejected'),
    list('damaged'),
  ]);
  const oldestAt = Number(waiting[0]?.slice(0, 15));
  const oldestMinutes = waiting.length === 0 ? 0 : Math.max(0, Math.floor((clock.now() - oldestAt) / 60_000));
  print(`waiting    ${waiting.length}${waiting.length === 0 ? '' : `, the oldest for ${oldestMinutes} min`}`);
  print(`rejected   ${rejected.length}${rejected.length === 0 ? '' : '; see: intake rejected'}`);
  print(`damaged    ${damaged.length}${damaged.length === 0 ? '' : `; the files are in ${folder}/damaged`}`);
  const text = await readSmallFile(files, `${folder}/status.json`);
  const status = text === undefined ? undefined : statusShape.safeParse(JSON.parse(text));
  if (status?.success === true) {
    const { version, startedAt, waitingFor, lastHandedOnAt, certificateDaysLeft } = status.data;
    print(`intake     ${version}, last started ${startedAt}`);
    if (lastHandedOnAt !== undefined) print(`handed on  last at ${lastHandedOnAt}`);
    if (waitingFor !== undefined && waiting.length > 0) print(`reason     ${waitingFor}`);
    if (certificateDaysLeft !== undefined) print(`certificate  ${certificateDaysLeft} days left`);
  }
  if (settings.spool.lock === 'local' && !isRunning(folder)) print('running    no');
  return rejected.length > 0 || damaged.length > 0 || oldestMinutes >= 10 ? 1 : 0;
}

const reasonsShape = z.looseObject({
  id: z.string(),
  mailbox: z.string(),
  receivedAt: z.string(),
  recipients: z.array(z.string()),
  details: z.array(z.string()),
});

export async function showRejected({ settings, files, print }: CommandContext): Promise<number> {
  const folder = `${settings.spool.folder}/rejected`;
  const names = (await files.list(folder).catch(() => []))
    .filter((name) => name.endsWith('.mail'))
    .toSorted();
  for (const name of names) {
    const text = await readSmallFile(files, `${folder}/${name.replace(/\.mail$/, '.json')}`);
    const reasons = text === undefined ? undefined : reasonsShape.safeParse(JSON.parse(text));
    if (reasons?.success === true) {
      const { id, mailbox, receivedAt, recipients, details } = reasons.data;
      print(
        `${id}  ${receivedAt}  ${mailbox} -> ${recipients.slice(0, 3).join(', ')}${recipients.length > 3 ? ', …' : ''}`,
      );
      for (const detail of details) print(`    ${detail}`);
    } else print(`${name}  (the reasons can't be read)`);
  }
  if (names.length === 0) print('No message was refused.');
  return 0;
}

/** Puts one message or all back among those that wait, and has everything tried at once. */
export async function retryRejected(
  { settings, files, print }: CommandContext,
  which: string,
): Promise<number> {
  const { folder } = settings.spool;
  const names = (await files.list(`${folder}/rejected`).catch(() => [])).filter((name) =>
    name.endsWith('.mail'),
  );
  let count = 0;
  for (const name of names.toSorted()) {
    const path = `${folder}/rejected/${name}`;
    const file = await files.open(path);
    const tail = await readTail(file);
    await file.close();
    if (tail === undefined || (which !== 'all' && tail.record.id !== which)) continue;
    await files.rename(path, `${folder}/waiting/${name.replace(/\.mail$/, '.retry.mail')}`);
    await files.syncFolder(`${folder}/waiting`);
    await files.remove(path.replace(/\.mail$/, '.json'));
    count += 1;
  }
  if (count === 0 && which !== 'all') {
    print(`No refused message has the id ${which}; intake rejected lists them.`);
    return 1;
  }
  await order(settings.spool.folder, 'retry', files);
  print(`${count} put back; all that waits is tried at once.`);
  return 0;
}

/** Has the running intake take no more mail and hand on everything; without one, does the handing on itself. */
export async function drainSpool(
  { settings, files, clock, print }: CommandContext,
  { mostMs, start }: { readonly mostMs: number; readonly start: () => Promise<RunningIntake> },
): Promise<number> {
  const { folder } = settings.spool;
  const isAlone = settings.spool.lock === 'local' && !isRunning(folder);
  const intake = isAlone ? await start() : undefined;
  await order(folder, 'drain', files);
  const untilMs = clock.monotonic() + mostMs;
  for (;;) {
    const waiting = (await files.list(`${folder}/waiting`)).length;
    const isObeyed = !(await files.list(`${folder}/control`)).includes('drain');
    if (isObeyed && waiting === 0) {
      print('Everything was handed on; the intake has ended.');
      return intake === undefined ? 0 : intake.ended;
    }
    if (clock.monotonic() >= untilMs) {
      print(`${waiting} messages still wait. They stay in ${folder} and are handed on after the next start.`);
      intake?.stop('time is up');
      await intake?.ended;
      return 1;
    }
    await clock.sleep(500);
  }
}

async function order(folder: string, name: string, files: CommandContext['files']): Promise<void> {
  await files.makeFolder(`${folder}/control`);
  await replaceFile(files, `${folder}/control`, name, '');
}

function isRunning(folder: string): boolean {
  try {
    const answer = lockLocally(folder);
    if (answer.kind === 'held') void answer.lock.release();
    return answer.kind === 'taken';
  } catch {
    // The folder is not there yet.
    return false;
  }
}
