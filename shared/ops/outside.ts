// The deployed address from outside, without credentials: every route that needs a key or a role must refuse the
// request. Nothing is sent but the bare request.
import type { Cause } from './cause.ts';

export interface GuardedRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** From the root: `/api/mail`. */
  readonly path: string;
}

const callMs = 20_000;
/** 404 as well: the host hides some routes. */
const refusals: ReadonlySet<number> = new Set([401, 403, 404]);

/** The routes that do not refuse; empty if all do. `base` is the app's address without a path. */
export async function examineOutside(
  base: string,
  routes: readonly GuardedRoute[],
): Promise<readonly Cause[]> {
  const causes: Cause[] = [];
  for (const { method, path } of routes) {
    const evidence = `${method} ${path} without key and role`;
    let response: Response;
    try {
      response = await fetch(new URL(path, base), {
        method,
        redirect: 'manual',
        signal: AbortSignal.timeout(callMs),
      });
    } catch {
      causes.push({
        cause: 'The app’s address cannot be reached from here.',
        remedy:
          'Check the address and that the Function App runs (Function App → Overview); with private access only, run the doctor inside the network.',
        evidence,
      });
      // The other routes would fail alike, each after its own time limit.
      return causes;
    }
    await response.body?.cancel();
    if (refusals.has(response.status) || isSignIn(response)) continue;
    causes.push({
      cause: `The route ${path} answers a request without credentials.`,
      remedy:
        'Deploy the package again, and check App Service authentication (Function App → Authentication: AllowAnonymous, with the page’s own check of the role) and the function’s key (Function App → Functions → the function → Function keys).',
      evidence: `${evidence} was answered with ${response.status}.`,
    });
  }
  return causes;
}

/** A redirect to the sign-in page, which is a refusal too. */
function isSignIn({ status, headers }: Response): boolean {
  return status >= 301 && status <= 303 && (headers.get('location') ?? '').includes('/.auth/login/');
}
