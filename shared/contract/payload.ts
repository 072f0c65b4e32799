// From what a queue or a request delivers to a JSON object, or to words that say why not.
//
// The host hands a queue message over as text, or already parsed where it looked like JSON; a request brings
// bytes; some clients wrap the JSON in base64. Size and depth are checked before anything is parsed, and
// names that reach for a prototype are refused everywhere, so that no later copy can be fooled.
import { joinPath, kindOf } from '../mail/quote.ts';
import type { SubmissionProblem } from './submissionProblem.ts';

/** A whole submission as JSON. Larger attachments go by reference to a blob. */
export const payloadBytes = 8 * 1024 * 1024;
/** Objects and arrays within each other. The contract itself needs four; correlation data may use the rest. */
export const payloadDepth = 16;
/** In `correlation`: the submission itself is the outermost object. */
export const correlationDepth = payloadDepth - 1;
/** What is deeper than the contract allows but not than this is parsed, so that the field is named. */
const parsedDepth = 1_000;
/** Values in all: a thousand recipients with names are three thousand. */
export const payloadValues = 20_000;

export type PayloadAnswer =
  | { readonly kind: 'ok'; readonly value: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refused'; readonly problem: SubmissionProblem };

const whatToWrite = 'write one JSON object as docs/schemas/submission.json describes it';
const prototypeNames = new Set(['__proto__', 'constructor', 'prototype']);

/** Never throws, whatever it is given; time is linear in the payload's size, and bounded. */
export function readPayload(payload: unknown): PayloadAnswer {
  if (typeof payload === 'string') return readText(payload);
  if (ArrayBuffer.isView(payload)) return readBytes(payload);
  return readValue(payload);
}

function readBytes(bytes: ArrayBufferView): PayloadAnswer {
  if (bytes.byteLength > payloadBytes) return tooLarge(bytes.byteLength);
  const text = decodeUtf8(bytes);
  return text === undefined ? refused('', `is not UTF-8; ${whatToWrite}, encoded as UTF-8`) : readText(text);
}

function readText(text: string): PayloadAnswer {
  if (text.length > payloadBytes) return tooLarge(text.length);
  const trimmed = text.trim();
  if (trimmed === '') return refused('', `is empty; ${whatToWrite}`);
  if (isJsonLike(trimmed)) return readJson(trimmed);
  const decoded = decodeBase64(trimmed);
  if (decoded === undefined) return refused('', `is neither JSON nor base64 of JSON; ${whatToWrite}`);
  const inner = decodeUtf8(decoded)?.trim();
  if (inner === undefined) return refused('', `is base64 of something that is not UTF-8; ${whatToWrite}`);
  // Once only: base64 of base64 is nobody's encoding.
  if (!isJsonLike(inner)) return refused('', `is base64 of something that is not JSON; ${whatToWrite}`);
  return readJson(inner);
}

/** True also for a bare `null`, number or text, whose fault is then named as what it is. */
function isJsonLike(text: string): boolean {
  return /^(?:[{["]|-?[0-9]+(?:[.eE]|$)|(?:null|true|false)$)/.test(text);
}

function readJson(text: string): PayloadAnswer {
  const bytes = Buffer.byteLength(text);
  if (bytes > payloadBytes) return tooLarge(bytes);
  // A parser may recurse: what is far too deep is not parsed.
  if (isDeeper(text, parsedDepth)) return tooDeep('');
  try {
    const value: unknown = JSON.parse(text);
    const twice = repeatedName(text);
    if (twice !== undefined) {
      return refused(
        joinPath('', twice),
        'is there twice in one object, and readers disagree about which counts; keep one',
      );
    }
    return readValue(value);
  } catch (error) {
    // The engine's message quotes the content; only the place is passed on.
    const place = /position ([0-9]+)/.exec(error instanceof Error ? error.message : '')?.[1];
    return refused(
      '',
      `is not valid JSON${place === undefined ? '' : ` at character ${place}`}; ${whatToWrite}`,
    );
  }
}

/** Brackets outside strings, counted without parsing. */
function isDeeper(text: string, depthMost: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (quoted) {
      if (character === '\\') index += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '{' || character === '[') {
      depth += 1;
      if (depth > depthMost) return true;
    } else if (character === '}' || character === ']') depth -= 1;
  }
  return false;
}

/** The first name that an object of this valid JSON has twice; its depth is bounded. */
function repeatedName(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:)?|[{}[\]]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token.endsWith(':')) {
      const name = String(JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)));
      const names = open.at(-1);
      if (names?.has(name) === true) return name;
      names?.add(name);
    }
  }
  return undefined;
}

function readValue(value: unknown): PayloadAnswer {
  if (!isObject(value) || Array.isArray(value)) {
    return refused('', `is ${kindOf(value)}, not an object; ${whatToWrite}`);
  }
  return walk(value) ?? { kind: 'ok', value };
}

/** Depth, number and size of values, and forbidden names, without recursion. */
function walk(root: Readonly<Record<string, unknown>>): Refused | undefined {
  const open: { readonly value: unknown; readonly path: string; readonly depth: number }[] = [
    { value: root, path: '', depth: 1 },
  ];
  let values = 0;
  let characters = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    values += 1;
    if (typeof next.value === 'string') characters += next.value.length;
    if (values > payloadValues) {
      return refused('', `has more than ${payloadValues} values; send fewer recipients, headers or details`);
    }
    if (characters > payloadBytes) return tooLarge(characters);
    if (!isObject(next.value)) continue;
    if (next.depth > payloadDepth) return tooDeep(next.path);
    const names = Object.keys(next.value);
    if (values + open.length + names.length > payloadValues) {
      return refused('', `has more than ${payloadValues} values; send fewer recipients, headers or details`);
    }
    for (const name of names) {
      characters += name.length;
      const path = Array.isArray(next.value) ? `${next.path}[${name}]` : joinPath(next.path, name);
      if (prototypeNames.has(name)) return refused(path, 'is a name that no field may have; remove it');
      open.push({ value: next.value[name], path, depth: next.depth + 1 });
    }
  }
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function decodeUtf8(bytes: ArrayBufferView): string | undefined {
  try {
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new TextDecoder('utf-8', { fatal: true }).decode(view);
  } catch {
    return undefined;
  }
}

/** Strict base64, line ends allowed; the URL-safe alphabet is somebody's mistake and is refused. */
function decodeBase64(text: string): Uint8Array | undefined {
  const joined = text.replace(/\r?\n/g, '');
  return joined.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(joined)
    ? Buffer.from(joined, 'base64')
    : undefined;
}

function tooLarge(bytes: number): Refused {
  return refused(
    '',
    `has ${bytes} bytes; at most ${payloadBytes} are read: put attachments into a blob and refer to it`,
  );
}

function tooDeep(path: string): Refused {
  const [field = ''] = path.split(/[.[]/);
  const most =
    field === 'correlation'
      ? `at most ${correlationDepth} are allowed in it`
      : `at most ${payloadDepth} are allowed`;
  return refused(field, `has objects or lists too deep within each other; ${most}: flatten it`);
}

type Refused = Extract<PayloadAnswer, { readonly kind: 'refused' }>;

function refused(field: string, detail: string): Refused {
  return {
    kind: 'refused',
    problem: { field, detail: `${field === '' ? 'The submission' : field} ${detail}.` },
  };
}
