// A row that this version can't read: written by another version, or damaged. It concerns one message (or one account):
// whoever meets it sets that message aside and goes on with the others. The row itself is left as it is.

/** Its message names the row's fault and nothing of its content. */
export class UnreadableRow extends Error {
  override readonly name = 'UnreadableRow';
}

/** For a reader to whom a row that can't be read is none; anything else is thrown again. */
export function noneIfUnreadable(error: unknown): undefined {
  if (!(error instanceof UnreadableRow)) throw error;
}

/** Decodes a row; whatever is thrown meanwhile becomes UnreadableRow, and says the version if that is the reason. */
export function decodeRow<Decoded>(version: unknown, expected: number, decode: () => Decoded): Decoded {
  if (version !== expected) {
    const found = typeof version === 'number' ? `of version ${String(version)}` : 'without a version';
    throw new UnreadableRow(`The row is ${found}; this program reads version ${String(expected)}.`);
  }
  try {
    return decode();
  } catch (cause) {
    throw new UnreadableRow(`The row is of version ${String(expected)} and damaged.`, { cause });
  }
}
