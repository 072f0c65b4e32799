// ENVELOPE and BODYSTRUCTURE as IMAP prints them (RFC 3501 7.4.2).
import { parseAddresses } from './addresses.ts';
import type { NamedAddress } from './addresses.ts';
import { headerValue } from './content.ts';
import type { HeaderField } from './content.ts';
import { nstring } from './imapSyntax.ts';
import { parametersOf } from './mimeStructure.ts';
import type { Part } from './mimeStructure.ts';

export function formatEnvelope(fields: readonly HeaderField[]): string {
  const value = (name: string): string | undefined => headerValue(fields, name);
  const from = formatAddresses(value('From'));
  const others = ['Sender', 'Reply-To'].map((name) => {
    const own = formatAddresses(value(name));
    return own === 'NIL' ? from : own;
  });
  const to = ['To', 'Cc', 'Bcc'].map((name) => formatAddresses(value(name)));
  const ids = [value('In-Reply-To'), value('Message-ID')].map(nstring);
  return `(${[nstring(value('Date')), nstring(value('Subject')), from, ...others, ...to, ...ids].join(' ')})`;
}

function formatAddresses(value: string | undefined): string {
  const entries = value === undefined ? [] : parseAddresses(value);
  const each = entries.flatMap((entry) => {
    if (entry.kind === 'address') return [formatAddress(entry)];
    // A group begins with an address without a host and ends with one of nothing at all.
    return [`(NIL NIL ${nstring(entry.name)} NIL)`, ...entry.members.map(formatAddress), '(NIL NIL NIL NIL)'];
  });
  return each.length === 0 ? 'NIL' : `(${each.join('')})`;
}

function formatAddress({ name, address }: NamedAddress): string {
  const at = address.lastIndexOf('@');
  const local = at === -1 ? address : address.slice(0, at);
  const domain = at === -1 ? undefined : address.slice(at + 1);
  return `(${nstring(name === '' ? undefined : name)} NIL ${nstring(local)} ${nstring(domain)})`;
}

/** With `extended` BODYSTRUCTURE, else BODY. `malformed`: NIL in place of a body, as Exchange sometimes sends it. */
export function formatStructure(part: Part, extended: boolean, malformed = false): string {
  if (part.parts.length > 0) {
    const bodies = malformed ? 'NIL' : part.parts.map((one) => formatStructure(one, extended)).join('');
    const basic = `${bodies} ${nstring(part.subtype.toUpperCase())}`;
    return extended ? `(${basic} ${formatParameters(part.parameters)} ${extension(part)})` : `(${basic})`;
  }
  const value = (name: string): string | undefined => headerValue(part.fields, name);
  const items = [
    nstring(part.type.toUpperCase()),
    nstring(part.subtype.toUpperCase()),
    formatParameters(withCharset(part)),
    nstring(value('Content-ID')),
    nstring(value('Content-Description')),
    nstring(value('Content-Transfer-Encoding')?.toUpperCase() ?? '7BIT'),
    `${part.body.sizeBytes}`,
  ];
  if (part.inner !== undefined) {
    items.push(formatEnvelope(part.inner.fields), formatStructure(part.inner, extended));
  }
  if (part.inner !== undefined || part.type === 'text') items.push(`${lineCount(part)}`);
  if (extended) items.push('NIL', extension(part));
  return `(${items.join(' ')})`;
}

function formatParameters(parameters: ReadonlyMap<string, string>): string {
  if (parameters.size === 0) return 'NIL';
  return `(${[...parameters].map(([name, value]) => `${nstring(name.toUpperCase())} ${nstring(value)}`).join(' ')})`;
}

/** Text without a charset is us-ascii (RFC 2045 5.2), and servers say so. */
function withCharset(part: Part): ReadonlyMap<string, string> {
  if (part.type !== 'text' || part.parameters.has('charset')) return part.parameters;
  return new Map([...part.parameters, ['charset', 'us-ascii']]);
}

/** Disposition, language, location. */
function extension(part: Part): string {
  const value = headerValue(part.fields, 'Content-Disposition');
  const kind = /^\s*([\w-]+)/.exec(value ?? '')?.[1];
  const disposition =
    kind === undefined
      ? 'NIL'
      : `(${nstring(kind.toUpperCase())} ${formatParameters(parametersOf(value ?? ''))})`;
  return `${disposition} NIL ${nstring(headerValue(part.fields, 'Content-Location'))}`;
}

function lineCount(part: Part): number {
  let lines = 0;
  for (const piece of part.body.slices()) {
    for (let at = piece.indexOf(10); at !== -1; at = piece.indexOf(10, at + 1)) lines += 1;
  }
  return lines;
}
