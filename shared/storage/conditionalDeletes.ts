// Deletes with an ETag within a transaction. The service takes them; the table SDK writes `If-Match: *` for every delete
// of a $batch and has no option for another. So the ETags travel beside the call, under its abort signal (a new one
// for each call), and a policy of the pipeline writes them into the body before it is sent.
import type { TableServiceClientOptions } from '@azure/data-tables';

type Policy = NonNullable<TableServiceClientOptions['additionalPolicies']>[number]['policy'];

/** For each delete of the transaction, in order: the ETag that its row must still have, if any. */
type DeleteEtags = readonly (string | undefined)[];

const etagsOf = new WeakMap<object, DeleteEtags>();

/** Makes the deletes of the transaction that is called with this signal conditional. Returns the signal. */
export function withDeleteEtags(signal: AbortSignal, etags: DeleteEtags): AbortSignal {
  if (etags.some((etag) => etag !== undefined)) etagsOf.set(signal, etags);
  return signal;
}

export const conditionalDeletes: Policy = {
  name: 'conditionalDeletes',
  async sendRequest(request, next) {
    const etags = request.abortSignal === undefined ? undefined : etagsOf.get(request.abortSignal);
    if (etags !== undefined) {
      if (typeof request.body !== 'string') throw new Error('a transaction is sent as text');
      request.body = withConditions(request.body, etags);
    }
    return next(request);
  },
};

/** The head of a delete within the body. The other operations' content is JSON, which has no line breaks. */
const deleteHead = /\r\nDELETE [^\r\n]*\r\n(?:[^\r\n]+\r\n)*/g;
const unconditional = /^if-match: \*$/im;

function withConditions(body: string, etags: DeleteEtags): string {
  let count = 0;
  let writtenCount = 0;
  const conditional = body.replace(deleteHead, (head) => {
    const etag = etags[count];
    count += 1;
    if (etag === undefined) return head;
    return head.replace(unconditional, () => {
      writtenCount += 1;
      return `If-Match: ${etag}`;
    });
  });
  // An unconditional delete in place of a conditional one would lose a change of the row: never sent.
  if (count !== etags.length || writtenCount !== etags.filter((etag) => etag !== undefined).length)
    throw new Error('the ETags of a transaction could not be written into its deletes');
  return conditional;
}
