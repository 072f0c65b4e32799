// The program as the functions see it. Every trigger file passes what it was given to one method here, named as the
// function. Built on the first call, once per worker: importing this file does no I/O, so the host starts quickly.
import { AsyncLocalStorage } from 'node:async_hooks';
import { assembleEsm, assembleHttp, assembleInbound, assembleOutbound } from './assembly.ts';
import { systemClock, systemRandom } from './clock.ts';
import { ConcurrencyLimit } from './concurrencyLimit.ts';
import { eventsTo, isAuthenticationOn, isFunctionOff, platformEnvironment } from './config/platform.ts';
import { describeProblems, readSettings, readStoreAddress } from './config/readSettings.ts';
import type { Settings, SettingsAnswer } from './config/settings.ts';
import type { CallerRegistry } from './http/callerRegistry.ts';
import type { Connector } from './esm/connector.ts';
import { answerRequest } from './http/gateway.ts';
import type { HttpAnswer, HttpRequest } from './http/httpMessage.ts';
import type { RouteName } from './http/routes.ts';
import { accountKey } from './mail/accountKey.ts';
import { answerOperatorApi, type OperatorApiDependencies } from './ops/api/operatorApi.ts';
import { answerOperatorPage } from './ops/page/operatorPage.ts';
import { AuditLog } from './ops/auditLog.ts';
import { examine, type Diagnosis } from './ops/doctor.ts';
import { guardedRoutes } from './ops/guardedRoutes.ts';
import { Heartbeat, type WatchedTimer } from './ops/heartbeat.ts';
import { heartbeatNumbers } from './ops/heartbeatNumbers.ts';
import { Maintenance, quietOf } from './ops/maintenance.ts';
import { Operator, type Job } from './ops/operator.ts';
import { MailboxBoards } from './ops/mailboxBoards.ts';
import { readReadiness, type MailboxReadiness } from './ops/readiness.ts';
import { reportStates, type StateDependencies } from './ops/reportStates.ts';
import { createRunDoctor } from './ops/runDoctor.ts';
import { noteHeldMessages, type LookedAt } from './outbound/upkeep/noteHeldMessages.ts';
import { sendReports } from './outbound/upkeep/sendReports.ts';
import { readState } from './outbound/store/accountTransaction.ts';
import { shownSettings } from './ops/shownSettings.ts';
import { storeCredential } from './oauth/azureCredentials.ts';
import { credentialExpirations } from './oauth/refreshTokens.ts';
import { makeStoreClients, type StoreClients } from './storage/clients.ts';
import { queueNames, tableNames } from './storage/names.ts';
import { putMessage } from './storage/queueMessage.ts';
import { emptyPoisonQueues } from './storage/poisonQueues.ts';
import { readQueueState } from './storage/queueState.ts';
import { parseWakeUp } from './storage/storageQueues.ts';
import { TableRows } from './storage/tableRows.ts';
import { logLine } from './telemetry/logLine.ts';
import { outboundEvents } from './telemetry/outboundEvents.ts';
import { version } from './version.ts';
import type { WebAnswer, WebRequest } from './web/http.ts';
import { administratorRole } from './web/roles.ts';

export { problemPage } from './ops/page/problemPage.ts';

/** What the bridge uses of the library's invocation context: log lines written here carry the invocation's id. */
export interface Invocation {
  readonly invocationId: string;
  /** For a queue message: `id`, `dequeueCount`, `insertionTime`, `expirationTime`. Undefined for timers. */
  readonly triggerMetadata?: Readonly<Record<string, unknown>>;
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** One method per function. A payload is as the library hands it over: parsed JSON, or a string, or bytes (not UTF-8). */
export interface Bridge {
  acceptMail(payload: unknown, invocation: Invocation): Promise<void>;
  sendMail(payload: unknown, invocation: Invocation): Promise<void>;
  /** What the host's appTerminate hook calls. */
  stop(): Promise<void>;
  /** The text of a submission that came back from the poison queue. */
  returned(text: string, invocation: Invocation): Promise<'again' | 'rejected'>;
  sweepOutbound(invocation: Invocation): Promise<void>;
  pruneOutbox(invocation: Invocation): Promise<void>;
  exportOutbox(invocation: Invocation): Promise<void>;
  fetchMail(invocation: Invocation): Promise<void>;
  pruneInbound(invocation: Invocation): Promise<void>;
  refreshTokens(invocation: Invocation): Promise<void>;
  /** A message of the queue `heartbeat`: runs what timers that stopped should have run. */
  heartbeat(payload: unknown, invocation: Invocation): Promise<void>;
  /** A notice onto a card of ESM. Throws if the connector is not configured, or for what the host is to retry. */
  deliverToEsm(payload: unknown, invocation: Invocation): Promise<void>;
  /** What became of a mail, onto its card. Throws likewise. */
  reportToEsm(payload: unknown, invocation: Invocation): Promise<void>;
  connectMailbox(request: IncomingRequest, invocation: Invocation): Promise<WebAnswer>;
  connectCallback(request: IncomingRequest, invocation: Invocation): Promise<WebAnswer>;
  runDoctor(request: IncomingRequest, invocation: Invocation): Promise<WebAnswer>;
  /** One request of the routes in ops/api/routes.ts. Never rejects. */
  operatorApi(request: IncomingRequest, invocation: Invocation): Promise<WebAnswer>;
  /** One request of the operator's page. Never rejects. */
  operatorPage(request: IncomingRequest, invocation: Invocation): Promise<WebAnswer>;
  /** One request of the routes in http/routes.ts. Never rejects. */
  http(route: RouteName, request: IncomingHttpRequest, invocation: Invocation): Promise<HttpAnswer>;
  /** The keys of HTTP callers: create, rotate, revoke, list. */
  readonly callers: CallerRegistry;
  /** Whether each mailbox can send and receive, from what is stored. Throws StorageTrouble. */
  readiness(invocation: Invocation): Promise<readonly MailboxReadiness[]>;
  /** The same examination, for the command line. */
  examine(address: string, invocation: Invocation): Promise<Diagnosis>;
}

/** What the bridge uses of the library's HttpRequest. */
export interface IncomingRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  formData(): Promise<{ get(name: string): unknown }>;
  text(): Promise<string>;
}

/** The same, for routes whose body is read whole. */
export interface IncomingHttpRequest extends IncomingRequest {
  readonly params: Readonly<Record<string, string | undefined>>;
  arrayBuffer(): Promise<ArrayBuffer>;
}

let assembled: Bridge | undefined;

/** The program of this worker. A failed assembly is retried by the next call: a setting may have been corrected. */
export function bridge(): Promise<Bridge> {
  return new Promise((resolve) => {
    resolve((assembled ??= openBridge(settingsOf(readSettings(platformEnvironment())))));
  });
}

function settingsOf(answer: SettingsAnswer): Settings {
  if (answer.kind === 'ok') return answer.settings;
  throw new Error(`The settings have problems (docs/settings.md):\n${describeProblems(answer)}`);
}

/** The worker is about to end. Resolves within 4 s, never throws. */
export async function stopBridge(): Promise<void> {
  await assembled?.stop();
}

let poisonStore: StoreClients | undefined;

/**
 * Empties the host's poison queues, with the store's address alone: it works while every other setting is unusable. What
 * comes back although the settings are in order is counted by the program. Throws if the address can't be read either.
 */
export async function settlePoison(invocation: Invocation): Promise<void> {
  poisonStore ??= openPoisonStore();
  const reports = await emptyPoisonQueues(
    poisonStore.queues,
    async (queue, text) => {
      if (queue !== queueNames.outboundMail) return 'moveBack';
      try {
        return (await (await bridge()).returned(text, invocation)) === 'rejected' ? 'settled' : 'moveBack';
      } catch {
        return 'moveBack'; // The settings or the store: acceptMail reports which, at its next try.
      }
    },
    { isConnectorOn: eventsTo() === 'esm' },
  );
  for (const { settledCount, ...report } of reports)
    invocation.info(logLine(outboundEvents.poisonQueue({ ...report, rejectedCount: settledCount })));
}

function openPoisonStore(): StoreClients {
  const answer = readStoreAddress(platformEnvironment());
  if (answer.kind === 'ok')
    return makeStoreClients(answer.store, {
      clock: systemClock,
      clockSampler: { observe: () => undefined },
      ...storeCredential(answer.store),
    });
  throw new Error(`The store's address has problems (docs/settings.md):\n${describeProblems(answer)}`);
}

/**
 * host.json's numbers are for drains, which mostly wait, one for each account; they hold for every queue. An acceptance
 * works all the time, so that more at once would only be slower each.
 */
const acceptancesAtOnce = 16;

/** The program on these settings; for the functions `bridge()` keeps one. No I/O. */
export function openBridge(settings: Settings): Bridge {
  const invocations = new AsyncLocalStorage<Invocation>();
  const assembly = assembleOutbound(settings, {
    log: (event) => {
      // A method call: the library's context keeps its state in private fields.
      invocations.getStore()?.[event.level](logLine(event));
    },
  });
  const { outbound, dependencies, signIn, store } = assembly;
  const inbound = assembleInbound(settings, assembly);
  const redirectUri = redirectUriOf(settings);
  const access = { role: administratorRole, authenticationOn: isAuthenticationOn() };
  const pages = signIn.connectPages({
    ...access,
    mailboxes: settings.mailboxes,
    redirectUri,
    onConnected: async ({ address, smtpUser }) => {
      await Promise.all([outbound.signedIn(accountKey(smtpUser)), inbound.signedIn(address)]);
    },
  });
  const examineAs = (owner: string, address: string): Promise<Diagnosis> =>
    examine(address, {
      mailboxes: settings.mailboxes,
      accounts: settings.accounts,
      tenant: settings.signIn.tenant,
      ...signIn,
      callers: () => http.registry.list(),
      hasIntake: async () => (await assembly.intakeStates.list()).length > 0,
      imap: assembly.mailboxes,
      sentItems: dependencies.sentItems,
      relay: dependencies.relay,
      acquireSmtpSlot: ({ key }) => outbound.acquireSmtpSlot(key, owner),
      ...(settings.publicUrl === undefined
        ? {}
        : { outside: { base: settings.publicUrl, routes: guardedRoutes } }),
      clock: systemClock,
    });
  const runDoctor = (owner: string): ((request: WebRequest) => Promise<WebAnswer>) =>
    createRunDoctor({
      ...access,
      origin: new URL(redirectUri).origin,
      examine: (address) => examineAs(owner, address),
    });
  const cursorsNow: StateDependencies['cursors'] = async () =>
    new Map((await inbound.states()).map(({ mailbox, cursor }) => [mailbox.address, cursor]));
  const opsRows = new TableRows(store.table(tableNames.ops));
  const boards = new MailboxBoards(opsRows, systemClock);
  const maintenance = new Maintenance(opsRows, systemClock);
  const timerFunctions: Readonly<Record<WatchedTimer, string>> = {
    sweep: 'sweepOutbound',
    fetch: 'fetchMail',
    refresh: 'refreshTokens',
  };
  const heartbeat = new Heartbeat({
    rows: opsRows,
    put: (text, delayMs) => putMessage(store.queues.getQueueClient(queueNames.heartbeat), text, { delayMs }),
    schedules: settings.schedules,
    isOn: (timer) => !isFunctionOff(timerFunctions[timer]),
    clock: systemClock,
    random: systemRandom,
    numbers: { ...heartbeatNumbers, ...settings.heartbeat },
    log: dependencies.log,
  });
  const stateDependencies: StateDependencies = {
    mailboxes: settings.mailboxes,
    cursors: cursorsNow,
    grant: (name) => signIn.grants.state(name),
    expirations: () => credentialExpirations(settings.signIn.credential),
    queues: () =>
      Promise.all(
        [queueNames.inboundMail, queueNames.mailStatus].map((queue) =>
          readQueueState(store.queues.getQueueClient(queue), queue),
        ),
      ),
    intakes: () => assembly.intakeStates.list(),
    boards,
    maintenance: async () => quietOf(await maintenance.list(), settings),
    jobs: () => heartbeat.lastEnds(),
    clock: systemClock,
    log: dependencies.log,
  };
  const lookedAt: LookedAt = new Set();
  const sweepNow = async (): Promise<void> => {
    await outbound.sweep();
    // Before anything that waits for a mail server: alerts read these lines.
    await reportStates(stateDependencies);
    await noteHeldMessages(lookedAt, dependencies);
    await sendReports({ ...dependencies, filing: assembly.filing });
  };
  const runJob = async (job: Job, owner: string): Promise<void> => {
    switch (job) {
      case 'fetch':
        await inbound.fetchAll({ invocationId: owner });
        return;
      case 'sweep':
        return sweepNow();
      case 'prune':
        if ((await outbound.prune()).isComplete) await heartbeat.ended('prune');
        return;
      case 'refresh':
        await signIn.refreshTokens(settings.mailboxes);
        return heartbeat.ended('refresh');
    }
  };
  const readinessNow = (): Promise<readonly MailboxReadiness[]> =>
    readReadiness({
      mailboxes: settings.mailboxes,
      holds: async (account) => (await readState(account, dependencies)).holds,
      cursors: cursorsNow,
      grant: (name) => signIn.grants.state(name),
    });
  const audit = new AuditLog(opsRows, systemClock, systemRandom);
  const operatorFor = (owner: string): OperatorApiDependencies => ({
    operator: new Operator({
      outbound: {
        ...outbound,
        operate: (action, which) => outbound[action](which),
        submit: (submission) => outbound.acceptOrRefuse(submission, {}),
      },
      accounts: settings.accounts,
      mailboxes: settings.mailboxes,
      audit,
      boards,
      expirations: () => credentialExpirations(settings.signIn.credential),
      maintenance,
      readiness: readinessNow,
      intakes: () => assembly.intakeStates.list(),
      examine: (address) => examineAs(owner, address),
      runJob: (job) => runJob(job, owner),
      clock: systemClock,
      random: systemRandom,
    }),
    origin: new URL(redirectUri).origin,
    authenticationOn: access.authenticationOn,
    version,
  });
  const http = assembleHttp(settings, assembly, access);
  const esm = assembleEsm(settings, assembly);
  const connector = (): Connector => {
    if (esm !== undefined) return esm;
    throw new Error('EVENTS_TO was esm when the package was published, and the connector is not configured');
  };
  const acceptances = new ConcurrencyLimit(acceptancesAtOnce);
  let heartbeatBegun: Promise<void> | undefined;
  const run = async (invocation: Invocation, action: () => Promise<unknown>): Promise<void> => {
    await invocations.run(invocation, async () => {
      heartbeatBegun ??= heartbeat.ensure();
      await Promise.all([action(), heartbeatBegun]);
    });
  };
  const onTick = (timer: WatchedTimer, invocation: Invocation): Promise<void> =>
    run(invocation, async () => {
      await heartbeat.ticked(timer);
      await runJob(timer, invocation.invocationId);
    });
  return {
    acceptMail: (payload, invocation) =>
      acceptances.run(() => run(invocation, () => outbound.accept(payload))),
    sendMail: (payload, invocation) =>
      run(invocation, async () => {
        const account = parseWakeUp(payload);
        if (account !== undefined) await outbound.drain(account, invocation.invocationId);
      }),
    stop: () => outbound.stop(),
    returned: (text, invocation) => invocations.run(invocation, () => outbound.returned(text)),
    sweepOutbound: (invocation) => {
      heartbeatBegun = undefined; // looked at each minute, not only by a new worker
      return onTick('sweep', invocation);
    },
    pruneOutbox: (invocation) => run(invocation, () => runJob('prune', invocation.invocationId)),
    exportOutbox: (invocation) =>
      run(invocation, async () => {
        await outbound.exportOutbox();
        await heartbeat.ended('export');
      }),
    pruneInbound: (invocation) => run(invocation, () => inbound.prune(invocation)),
    fetchMail: (invocation) => onTick('fetch', invocation),
    refreshTokens: (invocation) => onTick('refresh', invocation),
    heartbeat: (payload, invocation) =>
      run(invocation, () => heartbeat.beat(payload, (timer) => runJob(timer, invocation.invocationId))),
    deliverToEsm: (payload, invocation) => run(invocation, () => connector().deliverToEsm(payload)),
    reportToEsm: (payload, invocation) => run(invocation, () => connector().reportToEsm(payload)),
    connectMailbox: (request, invocation) =>
      invocations.run(invocation, () => pages.connectMailbox(webRequest(request))),
    connectCallback: (request, invocation) =>
      invocations.run(invocation, () => pages.connectCallback(webRequest(request))),
    runDoctor: (request, invocation) =>
      invocations.run(invocation, () => runDoctor(invocation.invocationId)(webRequest(request))),
    http: (route, request, invocation) =>
      invocations.run(invocation, () => answerRequest(route, httpRequest(request), http)),
    callers: http.registry,
    operatorApi: (request, invocation) =>
      invocations.run(invocation, () =>
        answerOperatorApi(webRequest(request), operatorFor(invocation.invocationId)),
      ),
    operatorPage: (request, invocation) =>
      invocations.run(invocation, () =>
        answerOperatorPage(webRequest(request), {
          ...operatorFor(invocation.invocationId),
          randomId: () => systemRandom.id(),
          settings: shownSettings(settings),
          now: () => systemClock.now(),
        }),
      ),
    readiness: (invocation) => invocations.run(invocation, readinessNow),
    examine: (address, invocation) =>
      invocations.run(invocation, () => examineAs(invocation.invocationId, address)),
  };
}

/** As it is registered in Entra. Without a public address no callback can reach the app. */
function redirectUriOf({ publicUrl = 'https://localhost' }: Settings): string {
  return `${publicUrl}/api/oauth/callback`;
}

function httpRequest(request: IncomingHttpRequest): HttpRequest {
  return {
    method: request.method,
    url: request.url,
    header: (name) => request.headers.get(name),
    params: request.params,
    body: async () => new Uint8Array(await request.arrayBuffer()),
  };
}

function webRequest(request: IncomingRequest): WebRequest {
  return {
    method: request.method,
    url: request.url,
    header: (name) => request.headers.get(name),
    text: () => request.text(),
    async form() {
      try {
        const fields = await request.formData();
        return {
          get: (name) => {
            const value = fields.get(name);
            return typeof value === 'string' ? value : null;
          },
        };
      } catch {
        return undefined; // the body is not a form
      }
    },
  };
}
