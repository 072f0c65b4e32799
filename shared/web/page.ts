// The shell of the bridge's pages: one style, no script, nothing loaded. Everything shown is escaped by the caller.
import { createHash } from 'node:crypto';
import type { WebAnswer } from './http.ts';

/** The only style that a page may have: the policy names its hash. */
const style = `body{font:1rem/1.5 system-ui,sans-serif;color:#1b1b1b;background:#f4f5f7;margin:0}
main{max-width:46rem;margin:2rem auto;padding:1.5rem 2rem;background:#fff;border:1px solid #d8dbe0;border-radius:.5rem}
h1{font-size:1.5rem;margin:0 0 1rem}ul{list-style:none;margin:0;padding:0}
li{padding:1rem 0;border-top:1px solid #e4e6ea}p{margin:.5rem 0}
button{font:inherit;padding:.35rem .8rem;border:1px solid #1f5fa8;border-radius:.3rem;background:#1f5fa8;color:#fff}
[role=alert]{border-left:.3rem solid #b3261e;padding-left:.8rem}[role=status]{border-left:.3rem solid #1a7f37;padding-left:.8rem}
a{color:#1f5fa8}:focus-visible{outline:3px solid #f5a623;outline-offset:2px}`;
const styleHash = createHash('sha256').update(style).digest('base64');

export interface Page {
  readonly status: number;
  readonly title: string;
  /** HTML; everything in it that a person or a server wrote is escaped. */
  readonly content: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The origin that a form may be redirected to, besides our own: browsers apply form-action to the redirect as well. */
  readonly formTarget: string;
}

export function pageAnswer({ status, title, content, headers = {}, formTarget }: Page): WebAnswer {
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self' ${formTarget}; frame-ancestors 'none'; base-uri 'none'`,
      'cache-control': 'no-store',
      // Not "no-referrer": browsers then send "Origin: null" with a form, and the origin check must refuse that.
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      ...headers,
    },
    body: `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${style}</style></head><body><main><h1>${escapeHtml(title)}</h1>${content}</main></body></html>`,
  };
}

export function redirect(location: string, headers: Readonly<Record<string, string>> = {}): WebAnswer {
  return { status: 303, headers: { location, 'cache-control': 'no-store', ...headers }, body: '' };
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
