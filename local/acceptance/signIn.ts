// The test mailbox's own sign-in: authorization code with PKCE and a loopback redirect (RFC 8252 7.3), through a public
// client of the customer's. Nothing is stored: the token is asked for once, lives about an hour, and ends with the run.
import { createServer, type Server } from 'node:http';
import * as oidc from 'openid-client';

/** Registered without a port: Entra ignores the port of a loopback address. */
export const loopbackRedirect = 'http://localhost/acceptance';

export interface SignInOptions {
  /** `https://login.microsoftonline.com/TENANT/oauth2/v2.0/authorize`. */
  readonly authorizeEndpoint: string;
  readonly tokenEndpoint: string;
  readonly issuer: string;
  /** A public client with the redirect address `loopbackRedirect`. */
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** Suggested to the person who signs in. */
  readonly mailbox: string;
  /** Shows the address to a person; their browser comes back to this machine. */
  readonly show: (address: string) => void;
  /**
   * Where there is no browser on this machine, the address that another browser ended at (it cannot load it) is pasted:
   * resolves with it, or never.
   */
  readonly pasted?: Promise<string>;
  readonly limitMs?: number;
}

const defaultLimitMs = 10 * 60_000;

/** An access token; rejects with what the sign-in service said. */
export async function signInAs(options: SignInOptions): Promise<string> {
  const { clientId, issuer, scopes, mailbox } = options;
  const config = new oidc.Configuration(
    { issuer, authorization_endpoint: options.authorizeEndpoint, token_endpoint: options.tokenEndpoint },
    clientId,
    undefined,
    oidc.None(),
  );
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const listening = await listenOnce();
  try {
    const redirectUri = loopbackRedirect.replace('localhost', `localhost:${String(listening.port)}`);
    const address = oidc.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: scopes.join(' '),
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      login_hint: mailbox,
      // Without it the browser's own session, an administrator's perhaps, would be taken without a question.
      prompt: 'select_account',
    });
    options.show(address.href);
    const limit = AbortSignal.timeout(options.limitMs ?? defaultLimitMs);
    const over = new Promise<never>((_, reject) => {
      limit.addEventListener('abort', () => {
        reject(new Error('Nobody signed in within the time.'));
      });
    });
    const back = await Promise.race([
      listening.came,
      over,
      ...(options.pasted === undefined ? [] : [options.pasted.then((text) => new URL(text.trim()))]),
    ]);
    // What was pasted names another host or port at most by mistake: only its parameters count.
    const current = new URL(`${redirectUri}${back.search}`);
    const answer = await oidc.authorizationCodeGrant(config, current, {
      pkceCodeVerifier: verifier,
      expectedState: state,
    });
    return answer.access_token;
  } catch (error) {
    throw new Error(detailOf(error), { cause: error });
  } finally {
    listening.server.close();
    listening.server.closeAllConnections();
  }
}

async function listenOnce(): Promise<{
  readonly server: Server;
  readonly port: number;
  readonly came: Promise<URL>;
}> {
  let resolveCame: (url: URL) => void = () => undefined;
  const came = new Promise<URL>((resolve) => {
    resolveCame = resolve;
  });
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const isAnswer = url.searchParams.has('state');
    response.writeHead(isAnswer ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(isAnswer ? 'Signed in. This window may be closed.' : 'Not here.');
    if (isAnswer) resolveCame(url);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port is free.');
  return { server, port: address.port, came };
}

/** Entra's own sentence, which names the cause (AADSTS…). */
function detailOf(error: unknown): string {
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError)
    return `${error.error}: ${error.error_description ?? ''}`.slice(0, 500);
  if (!(error instanceof Error)) return String(error);
  // The library's own message only says that the answer was not the expected one.
  return error.cause instanceof Error ? error.cause.message : error.message;
}
