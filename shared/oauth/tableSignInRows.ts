// SignInRows in a table, through the transactional rows that the storage module has anyway (declared here by shape: this
// module does not import that one).
import type { SignInFields, SignInRow, SignInRows } from './ports.ts';

type Operation =
  | { readonly kind: 'insert'; readonly key: string; readonly fields: SignInFields }
  | {
      readonly kind: 'replace';
      readonly key: string;
      readonly fields: SignInFields;
      readonly etag: string;
    }
  | { readonly kind: 'delete'; readonly key: string; readonly etag: string };

interface Rows {
  read(
    partitionKey: string,
    key: string,
  ): Promise<
    | { readonly etag: string; readonly fields: Readonly<Record<string, SignInFields[string] | Uint8Array>> }
    | undefined
  >;
  commit(
    partitionKey: string,
    operations: readonly Operation[],
  ): Promise<{ readonly kind: 'ok' | 'refused' } | { readonly kind: 'unknown'; readonly detail: string }>;
}

/** The partition of all rows about signing in. */
const partition = 'signIn';

export function tableSignInRows(rows: Rows): SignInRows {
  const apply = async (operation: Operation): Promise<boolean> => {
    const answer = await rows.commit(partition, [operation]);
    if (answer.kind === 'unknown') throw new Error(`The sign-in rows did not answer: ${answer.detail}`);
    return answer.kind === 'ok';
  };
  return {
    async read(key): Promise<SignInRow | undefined> {
      const row = await rows.read(partition, key);
      if (row === undefined) return undefined;
      const fields: Record<string, string | number | boolean> = {};
      for (const [name, value] of Object.entries(row.fields)) {
        if (!(value instanceof Uint8Array)) fields[name] = value;
      }
      return { etag: row.etag, fields };
    },
    insert: (key, fields) => apply({ kind: 'insert', key, fields }),
    replace: (key, fields, etag) => apply({ kind: 'replace', key, fields, etag }),
    remove: (key, etag) => apply({ kind: 'delete', key, etag }),
  };
}
