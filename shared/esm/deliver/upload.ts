// The files of a mail, one after another, each noted in the ledger row before it is begun. After a lost answer the card is
// asked whether it has one file of that name more than before.
import { valuesOf, type EsmCard } from '../client/answers.ts';
import { readCard } from '../client/cards.ts';
import { uploadFile } from '../client/files.ts';
import { waitFor, type EsmDependencies, type Wait } from '../dependencies.ts';
import type { NoticeEntry } from '../noticeEntry.ts';
import type { CardFile, FilePlan } from './attachments.ts';
import { stillOpen } from './doubt.ts';

/** How many files of each planned name the card has, for the row. */
export function countFiles(card: EsmCard | undefined, { files }: FilePlan): string {
  const counts = files.map(({ attribute, name }) => [
    name,
    card === undefined ? 0 : valuesOf(card, attribute).filter((value) => value.name === name).length,
  ]);
  return JSON.stringify(Object.fromEntries(counts));
}

/** Undefined once every file is on the card, or has a remark why it is not. */
export async function uploadFiles(
  entry: NoticeEntry,
  { files }: FilePlan,
  dependencies: EsmDependencies,
): Promise<Wait | undefined> {
  while (entry.now.fileCount < files.length) {
    const file = files[entry.now.fileCount];
    if (file === undefined) break;
    const wait = await uploadNext(entry, file, files, dependencies);
    if (wait !== undefined) return wait;
  }
  return undefined;
}

async function uploadNext(
  entry: NoticeEntry,
  file: CardFile,
  files: readonly CardFile[],
  dependencies: EsmDependencies,
): Promise<Wait | undefined> {
  const { esm, contents, random, clock } = dependencies;
  const { template, cardId, fileCount } = entry.now;
  if (entry.now.writeAt > 0) {
    const answer = await readCard(esm, template, { cardId, attributes: [file.attribute] });
    if (answer.kind === 'failure' && answer.reason !== 'missing') return waitFor(answer);
    const ours = files.slice(0, fileCount).filter(({ name }) => name === file.name).length;
    const before = (entry.fileCounts[file.name] ?? 0) + ours;
    const isThere =
      answer.kind === 'ok' &&
      valuesOf(answer.value, file.attribute).filter(({ name }) => name === file.name).length > before;
    if (isThere) {
      await entry.save({ fileCount: fileCount + 1, writeAt: 0 });
      return undefined;
    }
    const open = stillOpen(entry.now.writeAt, dependencies);
    if (open !== undefined) return open;
  }
  await entry.save({ writeAt: clock.now() });
  const answer = await uploadFile(
    esm,
    template,
    { cardId, attribute: file.attribute },
    { name: file.name, boundary: random.id(), open: () => contents.open(file.blob) },
  );
  if (answer.kind === 'ok') {
    await entry.save({ fileCount: fileCount + 1, writeAt: 0 });
    return undefined;
  }
  switch (answer.reason) {
    case 'unavailable':
      await entry.save({ writeAt: 0 });
      return waitFor(answer);
    case 'inDoubt':
      return waitFor(answer);
    case 'tooLarge':
      await entry.save({
        fileCount: fileCount + 1,
        writeAt: 0,
        ...entry.withRemarks(`${file.name} (${file.sizeBytes} bytes) is larger than ESM takes`),
      });
      return undefined;
    case 'denied':
    case 'missing':
    case 'refused':
      await entry.save({
        fileCount: fileCount + 1,
        writeAt: 0,
        ...entry.withRemarks(`${file.name} could not be uploaded: ${answer.detail}`),
      });
      return undefined;
  }
}
