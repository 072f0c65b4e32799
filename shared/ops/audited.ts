// Who acts, what can't be done, and the row of the audit trail that every act writes: the operator's two halves share it.
import type { AuditLog } from './auditLog.ts';

/** Who acts. */
export interface Actor {
  readonly name: string;
  readonly objectId: string;
  readonly by: 'session' | 'bearer';
}

/** What can't be done as it was asked; `detail` and `remedy` are for the person. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  readonly kind: 'notFound' | 'invalid' | 'refused';
  readonly remedy: string;
  constructor(kind: OperatorError['kind'], detail: string, remedy: string) {
    super(detail);
    this.kind = kind;
    this.remedy = remedy;
  }
}

/** What an act gives, and to how many it was done. */
export interface Acted<Value> {
  readonly value: Value;
  readonly doneCount: number;
  readonly refusedCount: number;
}

/** Runs an act between the two writes of its row; what it throws is recorded and thrown on. Throws StorageTrouble. */
export async function audited<Value>(
  audit: AuditLog,
  about: { readonly action: string; readonly on: string; readonly reason: string },
  { name, objectId, by }: Actor,
  run: () => Promise<Acted<Value>>,
): Promise<Value> {
  const end = await audit.begin({ by: name, objectId, via: by, ...about });
  try {
    const { value, doneCount, refusedCount } = await run();
    await end({ result: doneCount === 0 ? 'refused' : 'done', doneCount, refusedCount, detail: '' });
    return value;
  } catch (error) {
    const detail = error instanceof Error ? error.message : 'unknown trouble';
    await end({ result: 'failed', doneCount: 0, refusedCount: 0, detail });
    throw error;
  }
}

const listedMost = 20;
/** Names in a sentence, the first ones if there are many. */
export const listed = (names: readonly string[]): string =>
  names.length <= listedMost
    ? names.join(', ')
    : `${names.slice(0, listedMost).join(', ')} and ${String(names.length - listedMost)} more`;
