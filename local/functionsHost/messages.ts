// Messages between the host process and its worker process, over the channel that Node opens to a forked child. The
// real pair uses gRPC.
import type { CoreLevel, HttpData, Registration, TypedData } from './coreModule.ts';

export interface InvokeRequest {
  readonly kind: 'invoke';
  readonly invocationId: string;
  readonly functionName: string;
  readonly data: TypedData;
  readonly triggerMetadata: Readonly<Record<string, TypedData>>;
  readonly traceParent: string;
}

export type ToWorker =
  { readonly kind: 'load'; readonly appFolder: string } | InvokeRequest | { readonly kind: 'terminate' };

export type FromWorker =
  | {
      readonly kind: 'loaded';
      readonly functions: readonly Registration[];
      /** Names of the hooks that the app registered, with repeats. */
      readonly hooks: readonly string[];
      /** From the first line of the app to its last, without the start of Node. */
      readonly loadMs: number;
    }
  | { readonly kind: 'loadFailed'; readonly detail: string }
  | {
      readonly kind: 'log';
      readonly level: CoreLevel;
      readonly category: string;
      readonly message: string;
      readonly functionName?: string;
      readonly invocationId?: string;
    }
  | {
      readonly kind: 'done';
      readonly invocationId: string;
      /** What the function threw; absent when it ended well. */
      readonly error?: string;
      /** Only of a function with an HTTP trigger that answered. */
      readonly http?: HttpData;
    };
