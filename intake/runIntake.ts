// The intake as it runs: lock the spool, take over what waits, learn the mailboxes, listen, hand on, report.
import type { Clock, Random } from '../shared/clock.ts';
import type { BridgeAddress } from './bridge/httpBridge.ts';
import { HttpBridge, sentenceOf } from './bridge/httpBridge.ts';
import type { Bridge } from './bridge/bridge.ts';
import type { Heartbeat } from './bridge/contract.ts';
import { HandOn } from './handOn.ts';
import { describe, type IntakeLog } from './intakeEvents.ts';
import { MailboxDirectory } from './mailboxDirectory.ts';
import type { Served } from './message/judge.ts';
import type { IntakeSettings } from './settings/intakeSettings.ts';
import { networkList } from './settings/networks.ts';
import { daysLeft, readCertificate, type Certificate } from './smtp/certificate.ts';
import { Passwords } from './smtp/passwords.ts';
import { Receiver } from './smtp/receiver.ts';
import { listenForMail, type SmtpListener } from './smtp/smtpListener.ts';
import { replaceFile, type SpoolFiles } from './spool/files.ts';
import { lockByLease, lockLocally, type LockAnswer, type SpoolLock } from './spool/lock.ts';
import { Spool } from './spool/spool.ts';

const heartbeatMs = 60_000;
const certificateCheckMs = 60_000;
const controlMs = 1_000;

export interface IntakeDependencies {
  readonly settings: IntakeSettings;
  readonly address: BridgeAddress;
  readonly files: SpoolFiles;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: IntakeLog;
  readonly version: string;
  /** For a test that counts or breaks the calls. */
  wrapBridge?(bridge: Bridge): Bridge;
}

export interface RunningIntake {
  /** Ports in the order of the settings' listeners. */
  readonly ports: readonly number[];
  /** Resolves with the exit status once it has stopped, for whatever reason. */
  readonly ended: Promise<number>;
  /** Takes no more mail, lets what is in transfer end, and stops. What waits stays in the spool. */
  stop(reason: string): void;
}

/** Throws an error whose message is a sentence with a remedy if it can't start. */
export async function runIntake(dependencies: IntakeDependencies): Promise<RunningIntake> {
  const intake = new Intake(dependencies);
  await intake.start();
  return intake;
}

class Intake implements RunningIntake {
  readonly #dependencies: IntakeDependencies;
  readonly #abort = new AbortController();
  readonly #spool: Spool;
  readonly #bridge: Bridge;
  readonly #http: HttpBridge;
  readonly #directory: MailboxDirectory;
  readonly #handOn: HandOn;
  readonly #instance: string;
  readonly #startedAt: number;
  readonly #listeners: SmtpListener[] = [];
  readonly #loops: Promise<void>[] = [];
  readonly ended: Promise<number>;
  #end: (status: number) => void = () => undefined;
  #lock: SpoolLock | undefined;
  #certificate: Certificate | undefined;
  #isStopping = false;
  #isDraining = false;

  constructor(dependencies: IntakeDependencies) {
    this.#dependencies = dependencies;
    const { settings, files, clock, random, log, address } = dependencies;
    this.#spool = new Spool(files, settings.spool, { clock, random });
    this.#http = new HttpBridge(address, clock, this.#abort.signal);
    this.#bridge = dependencies.wrapBridge?.(this.#http) ?? this.#http;
    const { folder } = settings.spool;
    this.#directory = new MailboxDirectory({ bridge: this.#bridge, files, folder, clock, log });
    this.#handOn = new HandOn({ spool: this.#spool, bridge: this.#bridge, clock, random, log });
    this.#instance = random.id();
    this.#startedAt = clock.now();
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get ports(): readonly number[] {
    return this.#listeners.map(({ port }) => port);
  }

  async start(): Promise<void> {
    const { settings, files, log, version } = this.#dependencies;
    await files.makeFolder(settings.spool.folder);
    const answer = await this.#takeLock();
    if (answer.kind === 'taken') throw new Error(answer.detail);
    this.#lock = answer.lock;
    try {
      void answer.lock.lost.then((detail) => {
        this.#fail(detail);
      });
      await files.makeFolder(`${settings.spool.folder}/control`);
      await this.#clearControl();
      for (const entry of await this.#spool.recover()) this.#handOn.add(entry);
      log.started(version, this.#spool.count);
      await this.#directory.load();
      // A first start with the bridge in reach listens with the list; otherwise MAIL is answered with 451.
      if (this.#directory.served === undefined) await this.#directory.refresh();
      await this.#listen();
    } catch (error) {
      await this.#close();
      throw error;
    }
    this.#loops.push(
      this.#handOn.run(),
      this.#directory.run((served) => {
        this.#useLimits(served);
      }),
      this.#repeat(heartbeatMs, () => this.#beat()),
      this.#repeat(controlMs, () => this.#obey()),
      this.#repeat(certificateCheckMs, () => this.#renewCertificate()),
    );
  }

  stop(reason: string): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#dependencies.log.stopping(reason);
    void this.#shutDown(0);
  }

  /** Ends at once: what is on disk is all that counts, and the next process takes it over. */
  #fail(detail: string): void {
    this.#dependencies.log.failed(detail);
    if (this.#isStopping) return;
    this.#isStopping = true;
    void this.#shutDown(1);
  }

  async #shutDown(status: number): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    await this.#close();
    await Promise.all(this.#loops);
    this.#dependencies.log.stopped(this.#spool.count);
    this.#end(status);
  }

  async #close(): Promise<void> {
    this.#abort.abort();
    this.#handOn.stop();
    this.#directory.stop();
    this.#http.close();
    await this.#lock?.release().catch(() => undefined);
  }

  #takeLock(): Promise<LockAnswer> {
    const { settings, files, clock, random } = this.#dependencies;
    const { folder, lock } = settings.spool;
    if (lock === 'local') return Promise.resolve(lockLocally(folder));
    return lockByLease(files, folder, { clock, random, signal: this.#abort.signal });
  }

  async #listen(): Promise<void> {
    const { settings, clock, log } = this.#dependencies;
    if (settings.certificate !== undefined) {
      const read = await readCertificate(settings.certificate);
      if (read.kind === 'trouble') throw new Error(read.detail);
      this.#certificate = read.certificate;
      log.certificateRead(daysLeft(read.certificate, clock.now()));
    }
    const { trustedNetworks, anyLogin, users } = settings.login;
    const trusted = networkList(trustedNetworks);
    if (trusted === undefined) throw new Error('login.trustedNetworks has an entry that is no network.');
    const receiver = new Receiver({
      spool: this.#spool,
      clock,
      log,
      rules: settings,
      served: () => this.#directory.served,
      added: (entry) => {
        this.#handOn.add(entry);
      },
      fatal: (error) => {
        this.#fail(describe(error) ?? 'The disk failed');
      },
    });
    for (const place of settings.listeners) {
      const listener = await listenForMail(place, {
        receiver,
        login: { trusted, anyLogin, passwords: new Passwords(users) },
        log,
        clock,
        hostName: settings.hostName,
        connectionsMost: settings.connectionsMost,
        certificate: this.#certificate,
      });
      this.#listeners.push(listener);
      log.listening(place.address, listener.port, this.#certificate !== undefined);
    }
    if (this.#directory.served !== undefined) this.#useLimits(this.#directory.served);
  }

  #useLimits(served: Served): void {
    for (const listener of this.#listeners) listener.useSize(served.messageMostBytes);
  }

  async #renewCertificate(): Promise<void> {
    const { settings, clock, log } = this.#dependencies;
    if (settings.certificate === undefined) return;
    const read = await readCertificate(settings.certificate);
    if (read.kind === 'trouble') log.certificateTrouble(read.detail);
    else if (read.certificate.cert !== this.#certificate?.cert) {
      this.#certificate = read.certificate;
      for (const listener of this.#listeners) listener.useCertificate(read.certificate);
      log.certificateRead(daysLeft(read.certificate, clock.now()));
    }
  }

  async #beat(): Promise<void> {
    const { settings, files, log } = this.#dependencies;
    const heartbeat = await this.#status();
    await replaceFile(files, settings.spool.folder, 'status.json', JSON.stringify(heartbeat)).catch(
      (error: unknown) => {
        log.spoolTrouble('status.json', error);
      },
    );
    try {
      await this.#bridge.beat(heartbeat);
    } catch (error) {
      log.bridgeTrouble('heartbeat', sentenceOf(error));
    }
  }

  async #status(): Promise<Heartbeat> {
    const { settings, files, clock, version } = this.#dependencies;
    const now = clock.now();
    const { oldestAt } = this.#spool;
    const { lastHandedOnAt, waitingFor } = this.#handOn;
    return {
      version,
      instance: this.#instance,
      startedAt: new Date(this.#startedAt).toISOString(),
      node: process.version,
      spool: {
        count: this.#spool.count,
        bytes: this.#spool.entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        // The clock may have been set back since it came.
        oldestAgeSeconds: oldestAt === undefined ? 0 : Math.max(0, Math.floor((now - oldestAt) / 1_000)),
        freeBytes: await files.freeBytes(settings.spool.folder),
        damagedCount: this.#spool.damagedCount,
      },
      rejectedCount: await this.#spool.rejectedCount(),
      ...(lastHandedOnAt === undefined ? {} : { lastHandedOnAt: new Date(lastHandedOnAt).toISOString() }),
      ...(waitingFor === undefined ? {} : { waitingFor }),
      ...(this.#certificate === undefined ? {} : { certificateDaysLeft: daysLeft(this.#certificate, now) }),
      accepting: !this.#isDraining && !this.#isStopping,
    };
  }

  /** The commands `retry` and `drain` leave a file; it is removed once it is obeyed. */
  async #obey(): Promise<void> {
    const { settings, files } = this.#dependencies;
    const folder = `${settings.spool.folder}/control`;
    const orders = await files.list(folder);
    if (orders.includes('retry')) {
      await files.remove(`${folder}/retry`);
      for (const entry of await this.#spool.rescan()) this.#handOn.add(entry);
      this.#handOn.hurry();
    }
    if (orders.includes('drain') && !this.#isDraining) {
      this.#isDraining = true;
      await Promise.all(this.#listeners.map((listener) => listener.close()));
      this.#handOn.hurry();
    }
    if (this.#isDraining && this.#spool.count === 0) {
      await files.remove(`${folder}/drain`);
      // The last report says that nothing is left: then the bridge takes its silence for what it is.
      await this.#beat();
      this.stop('drained');
    }
  }

  /** Orders to an earlier process. */
  async #clearControl(): Promise<void> {
    const { settings, files } = this.#dependencies;
    for (const name of ['retry', 'drain']) await files.remove(`${settings.spool.folder}/control/${name}`);
  }

  async #repeat(everyMs: number, act: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#dependencies;
    while (!this.#abort.signal.aborted) {
      try {
        await act();
      } catch (error) {
        log.failed(describe(error) ?? 'unknown');
      }
      await clock.sleep(everyMs, this.#abort.signal);
    }
  }
}
