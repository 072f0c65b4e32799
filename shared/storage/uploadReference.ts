// `container/name`, as a submission refers to a blob. Only the upload container may be named, and only by an unambiguous
// name: no second spelling of a path, nothing encoded, no URL.

export type ReferenceAnswer = { readonly kind: 'ok'; readonly name: string } | { readonly kind: 'forbidden' };

const nameCharacters = 1_024;

/** Splits a reference into the upload container and a blob name, or forbids it. */
export function readUploadReference(reference: string, uploadContainer: string): ReferenceAnswer {
  const slash = reference.indexOf('/');
  if (slash < 0 || reference.slice(0, slash) !== uploadContainer) return { kind: 'forbidden' };
  const name = reference.slice(slash + 1);
  const segments = name.split('/');
  const strange =
    name.length > nameCharacters ||
    !name.isWellFormed() ||
    /[\\%?#\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(name) ||
    segments.some((segment) => segment === '' || /^\.+$/.test(segment) || segment.endsWith('.'));
  return strange ? { kind: 'forbidden' } : { kind: 'ok', name };
}
