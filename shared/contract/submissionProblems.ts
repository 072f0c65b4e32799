// What the schema found, as sentences: which field, what is wrong with it, what to write instead.
import type { z } from 'zod';
import { joinPath, kindOf, quoteBriefly } from '../mail/quote.ts';
import type { SubmissionProblem } from './submissionProblem.ts';
import { fieldDescriptions } from './submissionSchema.ts';

/** More problems than this help nobody. */
export const problemsShown = 20;

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Fields of mail libraries that reach for files, addresses of their own, or the envelope (reliability: SSRF). */
const dangerous: Readonly<Record<string, string>> = {
  path: 'the bridge opens no files and no links: give "content" in base64, or "blob"',
  href: 'the bridge opens no files and no links: give "content" in base64, or "blob"',
  envelope: 'the recipients are those of to, cc and bcc',
  dsn: 'the bridge asks for no delivery notices',
  sender: 'messages are sent as the mailbox: give "mailbox"',
  messageId: 'the bridge makes the Message-ID and reports it in its events',
  date: 'the bridge dates the message; give "sendAt" to send it later',
  body: 'give "text" or "html"',
};

/** One problem for every fault, in the schema's order. */
export function problemsOf(issues: readonly Issue[], written: unknown): readonly SubmissionProblem[] {
  return issues.slice(0, problemsShown * 2).flatMap((issue) => problemsOfIssue(issue, [], written));
}

function problemsOfIssue(issue: Issue, base: Path, written: unknown): readonly SubmissionProblem[] {
  const path = [...base, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.slice(0, problemsShown).map((key) => unknownField(path, key));
  }
  const value = valueAt(written, path);
  if (issue.code === 'invalid_union') {
    return likeliest(issue.errors, value).flatMap((inner) => problemsOfIssue(inner, path, written));
  }
  return [problem(path, faultOf(issue, value, path))];
}

/** Of the forms that a value could have had, the one it seems meant as: its kind fits, its inside does not. */
function likeliest(forms: readonly (readonly Issue[])[], value: unknown): readonly Issue[] {
  return (
    forms.find((issues) => !issues.some(isOtherKind)) ?? [
      { code: 'invalid_type', expected: 'custom', path: [], message: '', input: value },
    ]
  );
}

function isOtherKind(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_union') return issue.errors.every((issues) => issues.some(isOtherKind));
  return issue.code === 'invalid_type';
}

function unknownField(path: Path, key: string): SubmissionProblem {
  const hint = Object.hasOwn(dangerous, key) ? dangerous[key] : undefined;
  const field = joinPath(showPath(path), key);
  const near = hint === undefined ? nearest(key, path) : undefined;
  const remedy =
    hint ?? (near === undefined ? 'remove it' : `remove it, or did you mean ${quoteBriefly(near)}?`);
  return { field, detail: endSentence(`${field} is not a field that can be set; ${remedy}`) };
}

/** Another case, or a plural: the two ways in which names are usually missed. */
function nearest(key: string, path: Path): string | undefined {
  if (path.length > 0) return undefined;
  const plain = key.toLowerCase().replace(/[-_]/g, '');
  return Object.keys(fieldDescriptions).find((name) => {
    const lower = name.toLowerCase();
    return lower === plain || `${lower}s` === plain || lower === `${plain}s`;
  });
}

function faultOf(issue: Issue, value: unknown, path: Path): string {
  const remedy = cureOf(path);
  switch (issue.code) {
    case 'custom':
      return issue.message;
    case 'invalid_type':
      return value === undefined
        ? `is missing; write ${remedy}`
        : `can't be ${kindOf(value)}; write ${remedy}`;
    case 'too_big':
      if (typeof value === 'string')
        return `has ${value.length} characters; at most ${issue.maximum} are allowed`;
      if (Array.isArray(value)) return `has ${value.length} entries; at most ${issue.maximum} are allowed`;
      return `is larger than ${issue.maximum}; write ${remedy}`;
    case 'too_small':
      return `is empty or too short; write ${remedy}`;
    case 'invalid_key':
      return `is not a header field that can be set; write ${fieldDescriptions.headerName}`;
    case 'invalid_format':
    case 'invalid_value':
    case 'invalid_element':
    case 'invalid_union':
    case 'not_multiple_of':
    case 'unrecognized_keys':
      return `is not what it must be; write ${remedy}`;
  }
}

function cureOf(path: Path): string {
  const named = path.filter((part) => typeof part === 'string');
  const last = named.at(-1) ?? '';
  const inList = typeof path.at(-1) === 'number';
  if (named[0] === 'headers' && named.length > 1) return fieldDescriptions.headerValue;
  if (inList && last !== 'references' && last !== 'attachments') return fieldDescriptions.person;
  return Object.hasOwn(fieldDescriptions, last)
    ? fieldDescriptions[last as keyof typeof fieldDescriptions]
    : 'what the schema describes';
}

function problem(path: Path, fault: string): SubmissionProblem {
  const field = showPath(path);
  return { field, detail: endSentence(`${field === '' ? 'The submission' : field} ${fault}`) };
}

function endSentence(detail: string): string {
  return /[.?!]$/.test(detail) ? detail : `${detail}.`;
}

function showPath(path: Path): string {
  let shown = '';
  for (const part of path)
    shown = typeof part === 'number' ? `${shown}[${part}]` : joinPath(shown, String(part));
  return shown;
}

function valueAt(written: unknown, path: Path): unknown {
  let value = written;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}
