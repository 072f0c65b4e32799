// From the body of POST /api/mail to a submission as the queue would have it: JSON as it is; the JSON part of a multipart
// body, with its files in place of the parts that the attachments name; or a whole message, with its mailbox, id and
// envelope from the headers. What comes in the request itself gets references that no caller can write.
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { readPayload } from '../contract/payload.ts';
import { memberOf, parseJson } from '../mail/foreign.ts';
import type { FieldProblem, HttpRequest, Problem } from './httpMessage.ts';
import { readMultipart } from './multipart.ts';
import { remarksMost } from './numbers.ts';
import { mailHeaders, submissionPart } from './routes.ts';

export interface ReadSubmission {
  readonly kind: 'read';
  readonly payload: Readonly<Record<string, unknown>>;
  readonly given: ReadonlyMap<string, Uint8Array>;
  readonly remarks: readonly string[];
}

export type SubmissionBody = ReadSubmission | { readonly kind: 'refused'; readonly problem: Problem };

const mediaTypes = ['application/json', 'multipart/form-data', 'message/rfc822'] as const;
export type MediaType = (typeof mediaTypes)[number];

const refused = (problem: Problem): SubmissionBody => ({ kind: 'refused', problem });

const invalid = (detail: string, remedy: string): SubmissionBody =>
  refused({ name: 'invalid-request', status: 400, detail, remedy });

const writeJson = 'Write one JSON object as docs/schemas/submission.json describes it.';

/** The type of a body, without its parameters; or why it is none that is taken. */
export function mediaTypeOf(
  request: HttpRequest,
):
  | { readonly kind: 'known'; readonly type: MediaType }
  | { readonly kind: 'refused'; readonly problem: Problem } {
  const [type = '', ...parameters] = (request.header('content-type') ?? '').toLowerCase().split(';');
  const known = mediaTypes.find((one) => one === type.trim());
  const unsupported = (detail: string): { readonly kind: 'refused'; readonly problem: Problem } => ({
    kind: 'refused',
    problem: {
      name: 'unsupported-type',
      status: 415,
      detail,
      remedy: `Send ${mediaTypes.join(', ')} in UTF-8, without a Content-Encoding.`,
    },
  });
  if (known === undefined) return unsupported('The Content-Type is none that this route takes.');
  const encoding = request.header('content-encoding') ?? '';
  if (encoding !== '' && encoding.toLowerCase() !== 'identity')
    return unsupported('The body has a Content-Encoding.');
  const charset = parameters.find((parameter) => parameter.trim().startsWith('charset='))?.trim();
  if (known === 'application/json' && charset !== undefined && !/^charset="?utf-?8"?$/.test(charset))
    return unsupported('The body is in another character set than UTF-8.');
  return { kind: 'known', type: known };
}

/** Reads a body of that type. `inRequest` is what references to content of the request begin with. */
export async function readSubmission(
  request: HttpRequest,
  type: MediaType,
  { clock, inRequest }: { readonly clock: Clock; readonly inRequest: string },
): Promise<SubmissionBody> {
  const remarks = readRemarks(request.header(mailHeaders.remarks) ?? '');
  if (remarks === undefined)
    return invalid(
      `The header ${mailHeaders.remarks} is not a JSON array of sentences in ASCII.`,
      `Write at most ${remarksMost.count} texts of at most ${remarksMost.characters} characters, or leave the header out.`,
    );
  const id = readKey(request.header(mailHeaders.idempotencyKey) ?? '');
  const body = await request.body();
  const read =
    type === 'application/json'
      ? readJson(body)
      : type === 'multipart/form-data'
        ? await readParts(body, request.header('content-type') ?? '', { clock, inRequest })
        : readMessage(body, request, inRequest);
  if (read.kind === 'refused') return read;
  return withId({ ...read, remarks }, id);
}

type Body = Omit<ReadSubmission, 'remarks'> | Extract<SubmissionBody, { readonly kind: 'refused' }>;

function readJson(body: Uint8Array): Body {
  const read = readPayload(body);
  if (read.kind === 'ok') return { kind: 'read', payload: read.value, given: new Map() };
  const { detail } = read.problem;
  return {
    kind: 'refused',
    problem: {
      name: 'invalid-request',
      status: 400,
      detail,
      remedy: writeJson,
      problems: [read.problem],
    },
  };
}

async function readParts(
  body: Uint8Array,
  contentType: string,
  { clock, inRequest }: { readonly clock: Clock; readonly inRequest: string },
): Promise<Body> {
  const faulty = (problems: readonly FieldProblem[]): Body => ({
    kind: 'refused',
    problem: {
      name: 'invalid-request',
      status: 400,
      detail: problems[0]?.detail ?? 'The parts of the body can’t be used.',
      remedy: `Send one part "${submissionPart}" with the JSON, and one part for each attachment that names it in "part".`,
      problems,
    },
  });
  const read = await readMultipart(body, contentType, clock);
  if (read.kind === 'refused')
    return faulty([{ field: '', detail: `The multipart body ${read.detail}; send it again whole.` }]);
  const [submission, ...more] = read.parts.filter(({ name }) => name === submissionPart);
  if (submission === undefined)
    return faulty([{ field: submissionPart, detail: `There is no part "${submissionPart}".` }]);
  if (more.length > 0)
    return faulty([{ field: submissionPart, detail: `There are two parts "${submissionPart}".` }]);
  const json = readJson(submission.bytes);
  if (json.kind === 'refused') return json;
  const files = new Map<string, Uint8Array>();
  const problems: FieldProblem[] = [];
  for (const { name, bytes } of read.parts) {
    if (name === submissionPart) continue;
    if (files.has(name))
      problems.push({ field: name, detail: 'Two parts have this name; give each its own.' });
    files.set(name, bytes);
  }
  const given = new Map<string, Uint8Array>();
  const attachments = memberOf(json.payload, 'attachments');
  if (!Array.isArray(attachments)) {
    if (files.size > 0) problems.push(...unnamed(files.keys()));
    return problems.length > 0 ? faulty(problems) : json;
  }
  const placed = attachments.map((attachment: unknown, index): unknown => {
    const named = memberOf(attachment, 'part');
    if (named === undefined || typeof attachment !== 'object' || attachment === null) return attachment;
    const { part, sizeBytes, ...rest } = partOf(attachment);
    const field = `attachments[${index}]`;
    const bytes = typeof part === 'string' ? files.get(part) : undefined;
    if (bytes === undefined || typeof part !== 'string')
      problems.push({ field: `${field}.part`, detail: `${field}.part names no part of this body.` });
    else if (sizeBytes !== undefined && sizeBytes !== bytes.length)
      problems.push({
        field: `${field}.sizeBytes`,
        detail: `${field}.sizeBytes differs from the part, which has ${bytes.length} bytes; it was cut, or changed.`,
      });
    else {
      const reference = `${inRequest}${index}`;
      given.set(reference, bytes);
      files.delete(part);
      return { ...rest, blob: reference };
    }
    return rest;
  });
  const used = new Set(attachments.map((attachment: unknown) => memberOf(attachment, 'part')));
  problems.push(...unnamed([...files.keys()].filter((name) => !used.has(name))));
  if (problems.length > 0) return faulty(problems.slice(0, 20));
  return { kind: 'read', payload: { ...json.payload, attachments: placed }, given };
}

const partOf = (attachment: object): Readonly<Record<'part' | 'sizeBytes', unknown>> => ({
  part: undefined,
  sizeBytes: undefined,
  ...attachment,
});

const unnamed = (names: Iterable<string>): readonly FieldProblem[] =>
  [...names].map((name) => ({
    field: name.slice(0, 60),
    detail: 'No attachment names this part; name it in "part", or leave it out.',
  }));

function readMessage(body: Uint8Array, request: HttpRequest, inRequest: string): Body {
  const recipients = (request.header(mailHeaders.recipients) ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
  const mailbox = request.header(mailHeaders.mailbox)?.trim() ?? '';
  const problems: FieldProblem[] = [];
  if (mailbox === '')
    problems.push({ field: mailHeaders.mailbox, detail: `The header ${mailHeaders.mailbox} is missing.` });
  if (recipients.length === 0)
    problems.push({
      field: mailHeaders.recipients,
      detail: `The header ${mailHeaders.recipients} names no recipient.`,
    });
  if (body.length === 0) problems.push({ field: '', detail: 'The body, which is the message, is empty.' });
  if (problems.length > 0)
    return {
      kind: 'refused',
      problem: {
        name: 'invalid-submission',
        status: 422,
        detail: problems[0]?.detail ?? '',
        remedy: `Give ${mailHeaders.mailbox}, ${mailHeaders.recipients} (plain addresses separated by commas) and the message.`,
        problems,
      },
    };
  const reference = `${inRequest}message`;
  return {
    kind: 'read',
    payload: { version: 1, mailbox, bcc: recipients, raw: { blob: reference } },
    given: new Map([[reference, body]]),
  };
}

/** A quoted string (draft-ietf-httpapi-idempotency-key-header), or the bare id. */
const readKey = (header: string): string => header.trim().replace(/^"(.*)"$/, '$1');

function withId(read: ReadSubmission, key: string): SubmissionBody {
  const own = read.payload['id'];
  if (own === undefined && key === '')
    return refused({
      name: 'no-id',
      status: 400,
      detail: 'The submission has no id.',
      remedy:
        'Give "id" in the body or the header Idempotency-Key, the same whenever you send the same message again.',
    });
  if (own === undefined) return { ...read, payload: { ...read.payload, id: key } };
  if (key === '' || own === key) return read;
  return invalid(
    'The id of the body and the header Idempotency-Key differ.',
    'Give the id once, or the same in both places.',
  );
}

const remarksSchema = z
  .array(
    z
      .string()
      .max(remarksMost.characters)
      .regex(/^[^\u0000-\u001f\u007f]*$/),
  )
  .max(remarksMost.count);

function readRemarks(header: string): readonly string[] | undefined {
  if (header === '') return [];
  if (header.length > remarksMost.headerBytes) return undefined;
  return remarksSchema.safeParse(parseJson(header)).data;
}
