// What several parts of the operator's page use.
import { html } from 'hono/html';
import type { Html } from '../../web/page.ts';
import type { Shown } from './shown.ts';

/** `2026-11-28 07:45 UTC`; the exact instant for machines, by which the script adds how long ago it was. */
export const time = (at: number): Html => {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`;
};

export const hidden = (fields: Readonly<Record<string, string>>): Html[] =>
  Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`,
  );

/** Where a form goes, and what it carries. */
export interface Place {
  readonly shown: Shown;
  readonly root: string;
}

/** A button that is one act. `about` names what it acts on for a screen reader, if the label alone does not. */
export const button = (
  label: string,
  fields: Readonly<Record<string, string>>,
  { shown, root, quiet = true, about = '' }: Place & { readonly quiet?: boolean; readonly about?: string },
): Html =>
  html`<form method="post" action="${root}/act">
    ${hidden({ ...fields, token: shown.token })}<button class="${quiet ? 'quiet' : 'main'}">
      ${label}${about === '' ? '' : html`<span class="unseen"> ${about}</span>`}
    </button>
  </form>`;

/** `10,000`. */
export const number = (count: number): string => count.toLocaleString('en-US');

/** A share as a bar; the number stands beside it. Of a limit: its colour says how near that is. */
export function bar(
  { used, most }: { readonly used: number; readonly most: number },
  label: string,
  { isLimit = true }: { readonly isLimit?: boolean } = {},
): Html {
  const width = most === 0 ? 0 : Math.min(100, Math.round((used / most) * 100));
  const level = !isLimit ? 'plain' : width >= 90 ? 'high' : width >= 70 ? 'raised' : 'low';
  return html`<svg
    class="bar"
    viewBox="0 0 100 6"
    preserveAspectRatio="none"
    role="img"
    aria-label="${label}"
  >
    <rect class="track" width="100" height="6" />
    <rect class="${level}" width="${width}" height="6" />
  </svg>`;
}

export const messageLink = (root: string, id: string, mailbox: string): string =>
  `${root}/messages/${encodeURIComponent(id)}?mailbox=${encodeURIComponent(mailbox)}`;
export const mailboxLink = (root: string, address: string): string =>
  `${root}/mailboxes/${encodeURIComponent(address)}`;

/** `90 min`, `5 h`, `3 days`: how long something has lasted. */
export function duration(ms: number): string {
  const minutes = Math.max(0, Math.round(ms / 60_000));
  if (minutes < 120) return `${String(minutes)} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${String(hours)} h` : `${String(Math.round(hours / 24))} days`;
}
