// The assembly of the program: which adapter serves which port. Used by the bridge, by the commands and by the tests that
// run against a real store. No I/O before the first call of a method.
import { systemClock, systemRandom } from './clock.ts';
import type { Settings } from './config/settings.ts';
import { createImapLogin, createImapMailboxes } from './exchange/imapMailbox.ts';
import { createImapSentItems } from './exchange/imapSentItems.ts';
import { MimeComposer } from './exchange/mimeComposer.ts';
import { createMimeParser } from './exchange/mimeParser.ts';
import { SmtpRelay } from './exchange/smtpRelay.ts';
import { EsmConnection } from './esm/client/connection.ts';
import { failure, ok, type EsmAnswer } from './esm/client/failure.ts';
import { fetchTransport } from './esm/client/transport.ts';
import { createConnector, type Connector } from './esm/connector.ts';
import { esmNumbers } from './esm/dependencies.ts';
import { htmlText } from './exchange/htmlText.ts';
import { ByteBudget } from './http/byteBudget.ts';
import { CallerRegistry } from './http/callerRegistry.ts';
import type { HttpDependencies } from './http/dependencies.ts';
import { budgetBytes } from './http/numbers.ts';
import { inboundNumbers } from './inbound/dependencies.ts';
import { IntakeStates } from './intake/intakeStates.ts';
import { createInbound, type Inbound } from './inbound/fetchMail.ts';
import type { Mailboxes } from './inbound/ports.ts';
import { present } from './mail/omit.ts';
import { StorageTime } from './limits/storageTime.ts';
import { storeCredential } from './oauth/azureCredentials.ts';
import { createSignIn, type SignIn } from './oauth/signIn.ts';
import { tableSignInRows } from './oauth/tableSignInRows.ts';
import type { Dependencies as OutboundDependencies } from './outbound/dependencies.ts';
import { defaultNumbers } from './outbound/numbers.ts';
import { checkTag, findSubmission, publishBounce } from './outbound/operator/bounced.ts';
import { isOwnReport } from './outbound/upkeep/sendReports.ts';
import type { Filing } from './outbound/ports.ts';
import { createImapFiling } from './exchange/imapFiling.ts';
import { createOutbound, type Outbound } from './outbound/outbound.ts';
import { BlobExports, exportContainer } from './storage/blobExports.ts';
import { SignedBlobAddresses } from './storage/blobAddresses.ts';
import { BlobContents } from './storage/blobContents.ts';
import { makeStoreClients, type StoreClients } from './storage/clients.ts';
import { BlobEsmContents, createPutBack, TableEsmRows } from './storage/esmStore.ts';
import { ContainerInboundBlobs } from './storage/inboundBlobs.ts';
import { LockedQueue } from './storage/lockedQueue.ts';
import { containerNames, queueNames, tableNames } from './storage/names.ts';
import { NoticeQueue } from './storage/noticeQueue.ts';
import { StorageQueues } from './storage/storageQueues.ts';
import { TableLedger } from './storage/tableLedger.ts';
import { TableRows } from './storage/tableRows.ts';
import type { Log } from './telemetry/log.ts';

export interface OutboundAssembly {
  readonly outbound: Outbound;
  readonly dependencies: OutboundDependencies;
  readonly signIn: SignIn;
  readonly store: StoreClients;
  /** Opens mailboxes over IMAP. */
  readonly mailboxes: Mailboxes;
  readonly intakeStates: IntakeStates;
  readonly filing: Filing;
}

/** The outbound side with what it signs in and stores with. `overrides` replaces dependencies, for tests. */
export function assembleOutbound(
  settings: Settings,
  { log = noLog, ...overrides }: Partial<OutboundDependencies> = {},
): OutboundAssembly {
  const clock = systemClock;
  const random = systemRandom;
  const time = new StorageTime(clock);
  const store = makeStoreClients(settings.store, {
    clock,
    clockSampler: time,
    ...storeCredential(settings.store),
  });
  const signIn = createSignIn(settings, {
    rows: tableSignInRows(new TableRows(store.table(tableNames.ops))),
    clock,
    random,
    log,
  });
  const login = createImapLogin({ ...settings.imap, tokens: signIn.tokens, clock });
  const composer = new MimeComposer(settings.submissions, settings.mailboxes);
  const dependencies: OutboundDependencies = {
    rows: new TableRows(store.table(tableNames.outbox)),
    contents: new BlobContents(
      store.blobs.getContainerClient(containerNames.outboundContent),
      store.blobs.getContainerClient(settings.uploadContainer),
    ),
    queues: new StorageQueues(store.queues, { publishes: settings.eventsTo !== 'none' }),
    relay: new SmtpRelay({ server: settings.smtp, tokens: signIn.tokens, clock }),
    sentItems: createImapSentItems(login),
    composer,
    rawMessages: composer,
    time,
    clock,
    random,
    numbers: { ...defaultNumbers, ...settings.outbound },
    accounts: settings.accounts,
    submissions: {
      mailboxes: settings.mailboxes,
      maxima: settings.submissions,
      uploadContainer: settings.uploadContainer,
    },
    tagKey: signIn.tagKey,
    log,
    ...exportsOf(settings),
    ...overrides,
  };
  return {
    outbound: createOutbound(dependencies),
    dependencies,
    signIn,
    store,
    mailboxes: createImapMailboxes(login),
    filing: createImapFiling(login, clock),
    intakeStates: new IntakeStates(new TableRows(store.table(tableNames.ops)), clock),
  };
}

function exportsOf({ exportStore }: Settings): Pick<OutboundDependencies, 'exports'> {
  if (exportStore === undefined) return {};
  const { credential } = storeCredential(exportStore);
  return { exports: new BlobExports(exportContainer(exportStore, credential)) };
}

/** The inbound side over the same store and sign-in; what it needs to know of sent mail it asks the outbound side. */
export function assembleInbound(
  settings: Settings,
  { dependencies, store, mailboxes }: OutboundAssembly,
): Inbound {
  const { clock, random, log } = dependencies;
  return createInbound(settings.mailboxes, {
    mailboxes,
    ledger: new TableLedger(store.table(tableNames.inbound), random),
    blobs: new ContainerInboundBlobs(store.blobs.getContainerClient(containerNames.inboundContent)),
    notices:
      settings.eventsTo === 'none'
        ? undefined
        : new NoticeQueue(store.queues.getQueueClient(queueNames.inboundMail)),
    parser: createMimeParser({
      worker: new URL('./exchange/mimeParserWorker.ts', import.meta.url),
      clock,
    }),
    sent: {
      lookUpSent: (by) => findSubmission(by, dependencies),
      checkTag: (bridgeId, tag) => checkTag(bridgeId, tag, dependencies),
      noteBounce: (bounce) => publishBounce(bounce, dependencies),
      isReport: (messageId) => isOwnReport(messageId, dependencies),
    },
    clock,
    random,
    log,
    numbers: { ...inboundNumbers, ...settings.inbound },
  });
}

/** The HTTP side over the outbound side; what it stores and signs is the same store and vault. No I/O. */
export function assembleHttp(
  settings: Settings,
  { outbound, dependencies, signIn, store, intakeStates }: OutboundAssembly,
  { authenticationOn }: { readonly authenticationOn: boolean },
): HttpDependencies {
  const { clock, random, log } = dependencies;
  const contentContainers = [containerNames.inboundContent, containerNames.outboundContent];
  return {
    registry: new CallerRegistry({ secret: signIn.callerSecret, clock, random, log }),
    outbound,
    mailboxes: settings.mailboxes,
    maxima: settings.submissions,
    uploadContainer: settings.uploadContainer,
    blobs: new SignedBlobAddresses(store.blobs, {
      uploadContainer: settings.uploadContainer,
      readable: contentContainers,
      clock,
      byIdentity: settings.store.kind === 'identity',
    }),
    feeds: {
      events: new LockedQueue(store.queues.getQueueClient(queueNames.mailStatus)),
      notices: new LockedQueue(store.queues.getQueueClient(queueNames.inboundMail)),
    },
    contentContainers,
    feedsOn: settings.eventsTo === 'http',
    signingKey: signIn.tagKey,
    intakes: intakeStates,
    budget: new ByteBudget(budgetBytes),
    ...present({ publicUrl: settings.publicUrl }),
    authenticationOn,
    clock,
    random,
    log,
  };
}

/** The connector to ESM's data cards; undefined if it is not configured. No I/O. */
export function assembleEsm(
  { esm }: Settings,
  { dependencies, signIn, store }: OutboundAssembly,
): Connector | undefined {
  if (esm === undefined) return undefined;
  const { clock, random, log } = dependencies;
  return createConnector({
    esm: new EsmConnection({
      url: esm.url,
      login: esm.login,
      password: () => readEsmPassword(signIn, esm.passwordSecret),
      transport: fetchTransport,
      clock,
    }),
    connector: esm.connector,
    rows: new TableEsmRows(new TableRows(store.table(tableNames.esm))),
    contents: new BlobEsmContents(store.blobs),
    htmlToText: htmlText,
    putBack: createPutBack(store.queues),
    clock,
    random,
    log,
    numbers: esmNumbers,
  });
}

async function readEsmPassword(
  { readSecret }: Pick<SignIn, 'readSecret'>,
  name: string,
): Promise<EsmAnswer<string>> {
  const answer = await readSecret(name);
  switch (answer.kind) {
    case 'secret':
      return ok(answer.secret.value);
    case 'absent':
    case 'deleted':
      return failure('denied', `the vault has no secret ${name}`, {
        remedy: 'store the password of ESM’s user there, or correct ESM_PASSWORD_SECRET',
      });
    case 'unavailable':
      return failure('unavailable', answer.detail);
    case 'configuration':
      return failure('denied', answer.detail);
  }
}

const noLog: Log = () => undefined;
