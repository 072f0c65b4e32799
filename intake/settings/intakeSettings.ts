import type { MarkingRule } from '../message/marking.ts';
import type { UnknownFrom } from '../message/judge.ts';

/** A place to listen at. */
export interface ListenerSettings {
  readonly address: string;
  readonly port: number;
  /** On loopback a client may log in or not, with STARTTLS or without; elsewhere it must do both. */
  readonly isLoopback: boolean;
}

export interface LoginSettings {
  /** IPv4 and IPv6 ranges. From these a token of any content is accepted, because the network is the credential. */
  readonly trustedNetworks: readonly string[];
  /** From a trusted network any name and password is accepted. */
  readonly anyLogin: boolean;
  /** Hashes as `intake password` prints them, by lower-case name. */
  readonly users: ReadonlyMap<string, string>;
}

export interface IntakeSettings {
  readonly name: string;
  readonly bridge: {
    readonly url: string;
    readonly keyFile: string;
    readonly caFile?: string;
    readonly proxy?: string;
  };
  readonly spool: {
    readonly folder: string;
    readonly freeMinimumBytes: number;
    readonly lock: 'local' | 'lease';
  };
  readonly listeners: readonly ListenerSettings[];
  /** Both PEM; absent if all listeners are on loopback. */
  readonly certificate?: { readonly certFile: string; readonly keyFile: string };
  readonly login: LoginSettings;
  /** The name in the greeting; the certificate should be for it. */
  readonly hostName: string;
  readonly connectionsMost: number;
  readonly unknownFrom: UnknownFrom;
  readonly marking: readonly MarkingRule[];
}

/** One thing that is wrong with the settings: a sentence that begins with the setting's place. */
export interface IntakeSettingProblem {
  readonly setting: string;
  readonly detail: string;
}
