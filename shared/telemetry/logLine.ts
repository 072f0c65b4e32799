// How an event becomes a line in the log: one JSON object, `{"event": NAME, …fields}`, that the queries of
// infra/ read. JSON escapes control characters, so no value can forge a line (ANSI escapes, CRLF); lengths are
// bounded, and what is no plain text is made one.
import { unicodeEscape } from '../mail/text.ts';
import type { LogEvent } from './log.ts';

/** Longer values end with an ellipsis. Server texts and subjects are untrusted input. */
const valueLimitCount = 1_000;
const fieldLimitCount = 40;

/** The line without its end; at most about 40,000 characters. */
export function logLine(event: LogEvent): string {
  const line: Record<string, string | number | boolean> = { event: event.name };
  for (const [name, value] of Object.entries(event.fields).slice(0, fieldLimitCount)) {
    if (value === undefined || name === 'event') continue;
    line[name] = typeof value === 'string' ? bounded(value) : value;
  }
  return JSON.stringify(line).replaceAll(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    unicodeEscape,
  );
}

function bounded(value: string): string {
  const text = value.toWellFormed();
  return text.length <= valueLimitCount ? text : `${text.slice(0, valueLimitCount - 1)}…`;
}
