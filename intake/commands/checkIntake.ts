// `intake check`: everything that `run` needs, tried without taking mail.
import { BridgeTrouble } from '../bridge/bridge.ts';
import { HttpBridge, sentenceOf } from '../bridge/httpBridge.ts';
import { readAddress } from '../settings/settingsFile.ts';
import { daysLeft, readCertificate } from '../smtp/certificate.ts';
import { replaceFile } from '../spool/files.ts';
import type { CommandContext } from './commandContext.ts';
import { errorCode } from '../errorCode.ts';

export async function checkIntake(context: CommandContext): Promise<number> {
  const steps: readonly (readonly [string, (context: CommandContext) => Promise<string>])[] = [
    ['spool', checkSpool],
    ['certificate', checkCertificate],
    ['bridge', checkBridge],
  ];
  let status = 0;
  for (const [name, step] of steps) {
    try {
      context.print(`ok      ${name}: ${await step(context)}`);
    } catch (error) {
      status = 1;
      context.print(`FAILED  ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return status;
}

async function checkSpool({ settings, files }: CommandContext): Promise<string> {
  const { folder, freeMinimumBytes } = settings.spool;
  try {
    await files.makeFolder(folder);
    await replaceFile(files, folder, 'check', '');
    await files.remove(`${folder}/check`);
  } catch (error) {
    throw new Error(`${folder} can't be written (${errorCode(error)}); check its path and its rights.`, {
      cause: error,
    });
  }
  const free = Math.floor((await files.freeBytes(folder)) / 1_000_000);
  const least = Math.ceil(freeMinimumBytes / 1_000_000);
  if (free < least) {
    throw new Error(`${folder} has ${free} MB free, and spool.freeMegabytes asks for ${least}; make room.`);
  }
  return `${folder} can be written, ${free} MB free`;
}

async function checkCertificate({ settings, clock }: CommandContext): Promise<string> {
  if (settings.certificate === undefined) return 'none; all listeners are on loopback';
  const read = await readCertificate(settings.certificate);
  if (read.kind === 'trouble') throw new Error(read.detail);
  const days = daysLeft(read.certificate, clock.now());
  if (days < 0) throw new Error('The certificate has expired; renew it.');
  return `valid for ${days} more days`;
}

async function checkBridge({ settings, clock }: CommandContext): Promise<string> {
  const stop = new AbortController();
  const bridge = new HttpBridge(await readAddress(settings), clock, stop.signal);
  try {
    const { mailboxes } = await bridge.mailboxes();
    const sending = mailboxes.filter(({ send }) => send).map(({ address }) => address);
    if (sending.length === 0) throw new BridgeTrouble('The key may send for no mailbox; give it some.');
    return `reached; the key may send for ${sending.slice(0, 5).join(', ')}${sending.length > 5 ? ' and others' : ''}`;
  } catch (error) {
    throw new Error(sentenceOf(error), { cause: error });
  } finally {
    bridge.close();
  }
}
