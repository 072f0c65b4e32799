// The platform's front end: TLS, and App Service authentication in AllowAnonymous mode. Every request is passed on; a
// session that signed in at /.auth/login/aad gets the principal headers, and such headers from outside are removed.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Certificates } from './certificates.ts';

/** The user that /.auth/login/aad signs in, without a prompt. */
export interface Person {
  readonly name: string;
  readonly objectId: string;
  /** App roles, such as `MailBridge.Administrator`. */
  readonly roles: readonly string[];
}

export interface FrontEnd {
  /** `https://localhost:PORT` */
  readonly url: string;
  /** The same without TLS, `http://127.0.0.1:PORT`, for commands that do not trust its certificate. */
  readonly loopbackUrl: string;
  /** Where requests go: the host's address, known only once it runs. */
  serve(hostUrl: string): void;
  /** Changes the user for later sign-ins; existing sessions stay. */
  signsIn(person: Person): void;
  /** Accepts this bearer token, as the platform does after it has checked one. */
  acceptsToken(token: string, person: Person): void;
  close(): Promise<void>;
}

const sessionCookie = 'AppServiceAuthSession';
/** Sessions are for one run. */
const maxSessions = 1_000;

/** Listens on the loopback address; port 0 takes a free one. */
export async function startFrontEnd(
  { cert, key }: Pick<Certificates, 'cert' | 'key'>,
  person: Person,
  port = 0,
): Promise<FrontEnd> {
  const sessions = new Map<string, Person>();
  const tokens = new Map<string, Person>();
  let signingIn = person;
  let hostUrl: string | undefined;
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '/', 'https://localhost');
    if (url.pathname === '/.auth/login/aad') signIn(url, response);
    else if (url.pathname === '/.auth/logout') signOut(request, response);
    else if (hostUrl === undefined) response.writeHead(503).end();
    else pass(request, response, hostUrl);
  };
  const servers = [https.createServer({ cert, key }, handle), http.createServer(handle)] as const;
  const [server, loopback] = servers;
  server.listen(port, '127.0.0.1');
  loopback.listen(0, '127.0.0.1');
  await Promise.all(servers.map((one) => once(one, 'listening')));
  const address = server.address() as AddressInfo;

  function signIn(url: URL, response: ServerResponse): void {
    const session = randomBytes(32).toString('hex');
    if (sessions.size >= maxSessions) sessions.clear();
    sessions.set(session, signingIn);
    const target = url.searchParams.get('post_login_redirect_uri') ?? '/';
    response
      .writeHead(302, {
        'set-cookie': `${sessionCookie}=${session}; Path=/; Secure; HttpOnly; SameSite=Lax`,
        location: /^\/(?![/\\])/.test(target) ? target : '/',
      })
      .end();
  }

  function signOut(request: IncomingMessage, response: ServerResponse): void {
    sessions.delete(sessionOf(request) ?? '');
    response.writeHead(302, { 'set-cookie': `${sessionCookie}=; Path=/; Max-Age=0`, location: '/' }).end();
  }

  function pass(request: IncomingMessage, response: ServerResponse, to: string): void {
    const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const signedIn = sessions.get(sessionOf(request) ?? '') ?? tokens.get(token ?? '');
    const headers: OutgoingHttpHeaders = {
      ...Object.fromEntries(
        Object.entries(request.headers).filter(([name]) => !name.startsWith('x-ms-client-principal')),
      ),
      'x-forwarded-proto': 'https',
      ...(signedIn === undefined ? {} : principalHeaders(signedIn, token !== undefined)),
    };
    const passed = http.request(
      new URL(request.url ?? '/', to),
      { method: request.method, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    passed.on('error', () => {
      if (!response.headersSent) response.writeHead(502);
      response.end();
    });
    request.pipe(passed);
  }

  return {
    url: `https://localhost:${address.port}`,
    loopbackUrl: `http://127.0.0.1:${(loopback.address() as AddressInfo).port}`,
    serve: (url) => {
      hostUrl = url;
    },
    signsIn: (other) => {
      signingIn = other;
    },
    acceptsToken: (token, person) => {
      tokens.set(token, person);
    },
    close: async () => {
      await Promise.all(
        servers.map(async (one) => {
          one.close();
          one.closeAllConnections();
          await once(one, 'close');
        }),
      );
    },
  };
}

function sessionOf(request: IncomingMessage): string | undefined {
  return new RegExp(`(?:^|; ?)${sessionCookie}=([0-9a-f]{64})(?:;|$)`).exec(
    request.headers.cookie ?? '',
  )?.[1];
}

/** As App Service writes them: names in clear, and all claims as base64 of JSON. */
function principalHeaders({ name, objectId, roles }: Person, isToken: boolean): OutgoingHttpHeaders {
  const principal = {
    auth_typ: 'aad',
    name_typ: 'preferred_username',
    role_typ: 'roles',
    claims: [
      { typ: 'preferred_username', val: name },
      { typ: 'http://schemas.microsoft.com/identity/claims/objectidentifier', val: objectId },
      ...(isToken ? [{ typ: 'azp', val: '04b07795-8ddb-461a-bbee-02f9e1bf7b46' }] : []),
      ...roles.map((val) => ({ typ: 'roles', val })),
    ],
  };
  return {
    'x-ms-client-principal': Buffer.from(JSON.stringify(principal)).toString('base64'),
    'x-ms-client-principal-id': objectId,
    'x-ms-client-principal-name': name,
    'x-ms-client-principal-idp': 'aad',
  };
}
