// `container/name`, as a submission refers to a blob. Only the upload container may be named, and only by a name
// that every layer reads alike: no link, no query, nothing encoded, no second spelling of a path.
import { controlAt } from './text.ts';

const nameCharacters = 1_024;

export type BlobReference =
  | { readonly kind: 'ok'; readonly name: string }
  /** `detail` continues a sentence that begins with the field's name. */
  | { readonly kind: 'refused'; readonly detail: string };

/** Splits a reference into the upload container and a blob name, or says what is wrong with it and what to write. */
export function readBlobReference(reference: string, uploadContainer: string): BlobReference {
  const remedy = `write "${uploadContainer}/name"`;
  const refused = (detail: string): BlobReference => ({ kind: 'refused', detail: `${detail}; ${remedy}` });
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(reference))
    return refused("is a link, not a container and a name without the account's address");
  if (!reference.isWellFormed() || controlAt(reference) !== undefined || /[\\?#%]/.test(reference))
    return refused('has a character that no reference may have (control, \\ ? # %)');
  const [container, ...segments] = reference.split('/');
  if (segments.length === 0 || segments.some((segment) => /^\.*$/.test(segment)))
    return refused('is not a container and a name');
  if (segments.some((segment) => segment.endsWith('.')))
    return refused('has a part that ends in a dot, which blob names drop');
  if (container !== uploadContainer) return refused('is in another container than the one for uploads');
  const name = segments.join('/');
  return name.length > nameCharacters
    ? refused(`has a name of ${name.length} characters; at most ${nameCharacters} are allowed`)
    : { kind: 'ok', name };
}
