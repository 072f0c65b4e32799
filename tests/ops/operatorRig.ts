// The operator over the assembled outbound side on models of its ports, and requests as the platform hands them over.
import { AuditLog } from '../../shared/ops/auditLog.ts';
import { answerOperatorApi, type OperatorApiDependencies } from '../../shared/ops/api/operatorApi.ts';
import { MailboxBoards } from '../../shared/ops/mailboxBoards.ts';
import { Maintenance } from '../../shared/ops/maintenance.ts';
import { Operator } from '../../shared/ops/operator.ts';
import { formCookie, formToken } from '../../shared/web/access.ts';
import type { WebAnswer, WebRequest } from '../../shared/web/http.ts';
import { MemoryRows, MemoryTable } from '../models/memoryRows.ts';
import { mailbox, World, type Host } from '../models/world.ts';

export const origin = 'https://bridge.example';
export const administrator = 'MailBridge.Administrator';
export const viewer = 'MailBridge.Viewer';

interface Claim {
  readonly typ: string;
  readonly val: string;
}

/** The header that the platform writes for these claims. */
export const principalOf = (claims: readonly Claim[]): Readonly<Record<string, string>> => ({
  'x-ms-client-principal-idp': 'aad',
  'x-ms-client-principal': Buffer.from(JSON.stringify({ claims })).toString('base64'),
});

export const claimsOf = (...roles: readonly string[]): readonly Claim[] => [
  { typ: 'oid', val: 'a1' },
  { typ: 'preferred_username', val: 'anna@example.com' },
  ...roles.map((val) => ({ typ: 'roles', val })),
];
const token = { typ: 'azp', val: '04b07795-8ddb-461a-bbee-02f9e1bf7b46' };
/** A command with an access token. */
export const bearer = (...roles: readonly string[]): Readonly<Record<string, string>> =>
  principalOf([...claimsOf(...roles), token]);

const cookie = '0123456789abcdef0123456789abcdef';
const setCookie = formCookie(cookie).split(';')[0] ?? '';
/** The page in a browser, with what its forms carry. */
export const session = (...roles: readonly string[]): Readonly<Record<string, string>> => ({
  ...principalOf(claimsOf(...roles)),
  cookie: `AppServiceAuthSession=x; ${setCookie}`,
  origin,
  'sec-fetch-site': 'same-origin',
  'x-form-token': formToken(cookie, { objectId: 'a1' }),
});

export interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly authenticationOn?: boolean;
}

export interface OperatorRig {
  readonly world: World;
  readonly host: Host;
  readonly operator: Operator;
  readonly ran: string[];
  ask(
    asked: Asked,
  ): Promise<{ readonly answer: WebAnswer; readonly body: Readonly<Record<string, unknown>> }>;
}

export function operatorRig(): OperatorRig {
  const world = new World([
    mailbox('desk@example.com'),
    mailbox('hr@example.com', { smtpUser: 'desk@example.com' }),
    mailbox('Sales@example.com'),
  ]);
  const host = world.host();
  const ran: string[] = [];
  const { outbound } = host;
  const clock = { now: () => world.clock.now };
  const operator = new Operator({
    outbound: {
      ...outbound,
      operate: (action, which) => outbound[action](which),
      submit: (submission) => outbound.acceptOrRefuse(submission, {}),
    },
    accounts: host.dependencies.accounts,
    mailboxes: world.mailboxes,
    maintenance: new Maintenance(new MemoryRows(new MemoryTable(), host.wire), clock),
    audit: new AuditLog(new MemoryRows(new MemoryTable(), host.wire), clock, host.dependencies.random),
    boards: new MailboxBoards(new MemoryRows(new MemoryTable(), host.wire), clock),
    expirations: () => [],
    readiness: () => Promise.resolve([]),
    intakes: () => Promise.resolve([]),
    examine: (address) => Promise.resolve({ mailbox: address, ok: true, steps: [], causes: [] }),
    runJob: (job) => {
      ran.push(job);
      return Promise.resolve();
    },
    clock,
    random: host.dependencies.random,
  });
  return {
    world,
    host,
    operator,
    ran,
    ask: async ({ method = 'GET', path, headers = bearer(administrator), body, authenticationOn = true }) => {
      const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
      const request: WebRequest = {
        method,
        url: `${origin}/api/ops/v1/${path}`,
        header: (name) => headers[name],
        text: () => Promise.resolve(text),
        form: () => Promise.resolve(undefined),
      };
      const dependencies: OperatorApiDependencies = { operator, origin, authenticationOn, version: '0.0.0' };
      const answer = await world.run(answerOperatorApi(request, dependencies));
      return { answer, body: JSON.parse(answer.body) as Readonly<Record<string, unknown>> };
    },
  };
}
