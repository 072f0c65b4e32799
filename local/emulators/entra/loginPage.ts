// The sign-in page: plain forms, so that a browser and a test can drive it alike.

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => escapes[character] ?? '');

const page = (title: string, content: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title><style>
body{font:16px system-ui;background:#f2f2f2;display:grid;place-items:center;min-height:90vh}
main{background:#fff;padding:2.5rem;width:26rem;box-shadow:0 2px 6px #0003}
input,button{font:inherit;padding:.5rem;margin:.25rem 0;width:100%;box-sizing:border-box}small{color:#555}
</style></head><body><main>${content}</main></body></html>`;

export interface LoginView {
  /** Where the form goes: carries the request that it answers. */
  readonly action: string;
  readonly accounts: readonly string[];
  readonly hint: string;
  readonly permissions: readonly string[];
  /** Shown when the account typed in is not known. */
  readonly problem?: string;
}

/** “Pick an account”: one field, filled with the hint, and what is being agreed to. */
export function loginPage({ action, accounts, hint, permissions, problem }: LoginView): string {
  return page(
    'Sign in to your account (local emulator)',
    `<h1>Pick an account</h1><p><small>Local emulator of Microsoft Entra ID. No password is asked for.</small></p>
${problem === undefined ? '' : `<p role="alert">${escape(problem)}</p>`}
<form method="post" action="${escape(action)}">
<label>Account <input name="account" list="accounts" value="${escape(hint)}" autocomplete="off" autofocus></label>
<datalist id="accounts">${accounts.map((upn) => `<option value="${escape(upn)}">`).join('')}</datalist>
<p>The app asks for: ${escape(permissions.join(', '))}</p>
<button name="decision" value="accept">Accept</button><button name="decision" value="decline">Cancel</button>
</form>`,
  );
}

/** What Entra shows in place of a redirect where it does not trust the redirect URI. */
export function errorPage(code: number, detail: string): string {
  return page(
    'Sign in to your account (local emulator)',
    `<h1>Sorry, but we’re having trouble signing you in.</h1><p role="alert">AADSTS${code}: ${escape(detail)}</p>`,
  );
}
