// The shell of the bridge's pages: one style, no script, nothing loaded. Pages are templates of hono/html, which escapes
// every value that is put into them; a policy that names the style by its hash lets nothing else in.
import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';
import type { WebAnswer } from './http.ts';

/** What a template gives: already escaped. */
export type Html = ReturnType<typeof html>;

/** The only style that a page may have: the policy names its hash. */
const style = `:root{color-scheme:light dark;--text:#1b1d21;--muted:#595f69;--ground:#f4f5f7;--paper:#fff;--line:#d5d9df;--link:#1a5296;--good:#16692f;--bad:#a4211a;--wait:#7a4d00;--button:#1f5fa8;--on:#fff}
@media(prefers-color-scheme:dark){:root{--text:#e6e8eb;--muted:#a4abb6;--ground:#14161a;--paper:#1e2126;--line:#3a3f47;--link:#8ab8f0;--good:#6fcf8b;--bad:#ff9a90;--wait:#f0c070;--button:#8ab8f0;--on:#10151c}}
*{box-sizing:border-box}body{font:1rem/1.5 system-ui,sans-serif;color:var(--text);background:var(--ground);margin:0}
header{background:var(--paper);border-bottom:1px solid var(--line)}header div{max-width:80rem;margin:0 auto;padding:.6rem 1rem;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;align-items:baseline}
header strong{margin-right:.5rem}header span{color:var(--muted);margin-left:auto}
main{max-width:80rem;margin:1.2rem auto;padding:0 1rem}main.narrow{max-width:46rem}
section,main.narrow{background:var(--paper);border:1px solid var(--line);border-radius:.5rem;padding:1rem 1.2rem;margin:0 0 1rem}main.narrow{margin:2rem auto}
h1{font-size:1.4rem;margin:0 0 .8rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:0 0 .6rem}ul{list-style:none;margin:0;padding:0}
li{padding:.8rem 0;border-top:1px solid var(--line)}li:first-child{border-top:0}p{margin:.4rem 0}
table{width:100%;border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.45rem .6rem .45rem 0;border-top:1px solid var(--line)}th{color:var(--muted);font-weight:600;border-top:0;white-space:nowrap}td p,td strong,td a{overflow-wrap:anywhere}
td.number{font-variant-numeric:tabular-nums}bdi{overflow-wrap:anywhere}.clip{display:block;max-height:12rem;overflow:hidden}
.good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}.muted{color:var(--muted)}.good,.bad,.wait{font-weight:600;white-space:nowrap}
form{display:inline-flex;flex-wrap:wrap;gap:.4rem;align-items:end;margin:.15rem .4rem .15rem 0}label{display:flex;flex-direction:column;font-size:.9rem;color:var(--muted)}
input,select,button{font:inherit;padding:.4rem .6rem;border:1px solid var(--line);border-radius:.3rem;background:var(--paper);color:var(--text);min-width:0;max-width:100%}
button{border-color:var(--button);background:var(--button);color:var(--on)}button.quiet{background:var(--paper);color:var(--link)}
[role=alert]{border-left:.3rem solid var(--bad);padding-left:.8rem}[role=status]{border-left:.3rem solid var(--good);padding-left:.8rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:0}dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
.number{font-variant-numeric:tabular-nums;font-weight:600}td p{margin:.1rem 0;font-size:.88rem}.said{font-size:1.15rem;white-space:normal}.said[role=status]{border-color:currentColor}.unseen{position:absolute;clip-path:inset(50%);height:1px;width:1px;overflow:hidden;white-space:nowrap}
.bar{display:block;width:7rem;max-width:100%;height:.45rem;border-radius:.2rem}.track{fill:var(--line)}.plain{fill:var(--link)}.low{fill:var(--good)}.raised{fill:var(--wait)}.high{fill:var(--bad)}.chart{display:block;width:100%;height:6rem}.received{fill:var(--link)}.sent{fill:var(--good)}.axis{stroke:var(--line)}
a.button{display:inline-block;padding:.4rem .6rem;border-radius:.3rem;background:var(--button);color:var(--on);text-decoration:none}a.button.quiet{background:var(--paper);color:var(--link);border:1px solid var(--button)}a{color:var(--link)}:focus-visible{outline:3px solid #c77700;outline-offset:2px}
@media(min-width:44.01rem){.mailboxes td:first-child{min-width:13rem}}
@media(max-width:44rem){table,tbody,tr,td{display:block}thead{position:absolute;clip-path:inset(50%);height:1px;width:1px;overflow:hidden}tr{border-top:2px solid var(--line);padding:.5rem 0}td{border:0;padding:.1rem 0}td[data-label]::before{content:attr(data-label) ": ";color:var(--muted);font-weight:400}dl{grid-template-columns:1fr}dt{margin-top:.4rem}section{padding:.8rem}td.count{display:inline-block;margin-right:1.2rem;vertical-align:top}header span{margin-left:0}}`;
const styleHash = createHash('sha256').update(style).digest('base64');

export interface Page {
  readonly status: number;
  readonly title: string;
  readonly content: Html;
  /** Links to the other pages and who is signed in; absent: the page stands alone. */
  readonly header?: Html;
  readonly headers?: Readonly<Record<string, string>>;
  /** The address of the page's only script; absent: none may run. */
  readonly script?: string;
  /** The origin that a form may be redirected to, besides our own: browsers apply form-action to the redirect as well. */
  readonly formTarget?: string;
}

export async function pageAnswer({
  status,
  title,
  content,
  header,
  headers = {},
  script,
  formTarget = '',
}: Page): Promise<WebAnswer> {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · mail bridge</title>
        ${raw(`<style>${style}</style>`)}
        ${script === undefined ? '' : html`<script src="${script}" defer></script>`}
      </head>
      <body>
        ${header === undefined ? '' : html`<header><div>${header}</div></header>`}
        <main class="${header === undefined ? 'narrow' : 'wide'}">
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html>`;
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'${script === undefined ? '' : `; script-src ${script}`}; form-action 'self' ${formTarget}; frame-ancestors 'none'; base-uri 'none'`,
      'cache-control': 'no-store',
      // Not "no-referrer": browsers then send "Origin: null" with a form, and the origin check must refuse that.
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      ...headers,
    },
    body: String(await page),
  };
}

export function redirect(location: string, headers: Readonly<Record<string, string>> = {}): WebAnswer {
  return { status: 303, headers: { location, 'cache-control': 'no-store', ...headers }, body: '' };
}
