// SignInRows in a table, through the transactional door that the storage room has anyway (named here by shape:
// this room does not import that one).
import type { SignInFields, SignInRow, SignInRows } from './ports.ts';

interface Rows {
  read(
    partition: string,
    key: string,
  ): Promise<
    | {
        readonly etag: string;
        readonly fields: Readonly<Record<string, string | number | boolean | Uint8Array>>;
      }
    | undefined
  >;
  commit(
    partition: string,
    operations: readonly (
      | { readonly kind: 'insert'; readonly key: string; readonly fields: SignInFields }
      | {
          readonly kind: 'replace';
          readonly key: string;
          readonly fields: SignInFields;
          readonly etag: string;
        }
      | { readonly kind: 'delete'; readonly key: string; readonly etag: string }
    )[],
  ): Promise<
    | { readonly kind: 'ok' }
    | { readonly kind: 'refused' }
    | { readonly kind: 'unknown'; readonly detail: string }
  >;
}

/** The partition of all rows about signing in. */
const PARTITION = 'signIn';

export function tableSignInRows(rows: Rows): SignInRows {
  const apply = async (operation: Parameters<Rows['commit']>[1][number]): Promise<boolean> => {
    const answer = await rows.commit(PARTITION, [operation]);
    if (answer.kind === 'unknown') throw new Error(`The sign-in rows did not answer: ${answer.detail}`);
    return answer.kind === 'ok';
  };
  return {
    async read(key): Promise<SignInRow | undefined> {
      const row = await rows.read(PARTITION, key);
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
