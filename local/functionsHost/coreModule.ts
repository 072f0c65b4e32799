// `@azure/functions-core`: the module that the real Node worker gives to the `@azure/functions` library. It is
// on no registry. The library asks for it with `require`, also from within a bundle, so it is handed out as the
// worker does it: by answering that one name in `Module.prototype.require`. It has to be in place before the
// app is loaded; without it the library falls into its test mode and registers nothing.
import Module from 'node:module';

/** What travels between host and worker as one value; exactly one of the fields is there. */
export interface TypedData {
  readonly string?: string;
  readonly json?: string;
  readonly bytes?: Uint8Array;
  readonly http?: HttpData;
}

/** A request on its way in, or an answer on its way out (then with `statusCode` and `cookies`). */
export interface HttpData {
  readonly method?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: TypedData | null;
  readonly statusCode?: string;
  readonly cookies?: readonly CookieData[];
}

/** A cookie as the library sets it: what is optional is wrapped. */
export interface CookieData {
  readonly name: string;
  readonly value: string;
  readonly domain?: { readonly value: string };
  readonly path?: { readonly value: string };
  readonly expires?: { readonly value: { readonly seconds: number } };
  readonly maxAge?: { readonly value: number };
  readonly secure?: { readonly value: boolean };
  readonly httpOnly?: { readonly value: boolean };
  readonly sameSite?: 'none' | 'lax' | 'strict' | 'explicitNone';
}

export type Binding = Readonly<Record<string, unknown>> & {
  readonly type: string;
  readonly direction: 'in' | 'out';
};

/** One function as the app registered it. */
export interface Registration {
  readonly name: string;
  readonly bindings: Readonly<Record<string, Binding>>;
}

export type CoreLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical' | 'none';
export type CoreLog = (level: CoreLevel, category: string, message: string) => void;

type FunctionCallback = (...inputs: unknown[]) => unknown;

/** What the library makes of one invocation: arguments, the call, and the answer in the host's terms. */
export interface InvocationModel {
  getArguments(): Promise<{ readonly context: object; readonly inputs: unknown[] }>;
  invokeFunction(context: object, inputs: unknown[], callback: FunctionCallback): Promise<unknown>;
  getResponse(
    context: object,
    result: unknown,
  ): Promise<{ readonly returnValue?: TypedData | null; readonly outputData?: readonly unknown[] }>;
}

export interface CoreInvocation {
  readonly invocationId: string;
  readonly metadata: Registration;
  readonly request: {
    readonly invocationId: string;
    readonly inputData: readonly { readonly name: string; readonly data: TypedData }[];
    readonly triggerMetadata: Readonly<Record<string, TypedData>>;
    readonly traceContext: { readonly traceParent: string };
  };
  /** The library warns of a log line that comes after the function's end, but in a hook it may. */
  state: 'preInvocationHooks' | 'invocation' | 'postInvocationHooks';
  readonly log: CoreLog;
}

interface ProgrammingModel {
  getInvocationModel(invocation: CoreInvocation): InvocationModel;
  getCapabilities(capabilities: Record<string, string>): Promise<Record<string, string>>;
}

const hookNames = ['appStart', 'appTerminate', 'preInvocation', 'postInvocation', 'log'] as const;
export type HookName = (typeof hookNames)[number];
type HookCallback = (context: object) => unknown;

/** Everything an app has registered with the core module. */
export interface CoreState {
  readonly functions: Map<string, { readonly metadata: Registration; readonly callback: FunctionCallback }>;
  readonly hooks: Readonly<Record<HookName, HookCallback[]>>;
  model: ProgrammingModel | undefined;
  /** Set when start-up has ended: a later registration is refused, as the worker refuses it. */
  started: boolean;
}

/** Puts the module in place, once per process, and returns what the app registers with it. */
export function installCoreModule(log: CoreLog): CoreState {
  const hooks = { appStart: [], appTerminate: [], preInvocation: [], postInvocation: [], log: [] };
  const state: CoreState = { functions: new Map(), hooks, model: undefined, started: false };
  const core = coreModule(state, log);
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the right `this` below
  const original = Module.prototype.require;
  const replaced = function (this: NodeJS.Module, id: string): unknown {
    return id === '@azure/functions-core' ? core : original.call(this, id);
  };
  Module.prototype.require = Object.assign(replaced, original);
  return state;
}

function coreModule(state: CoreState, log: CoreLog): object {
  class Disposable {
    static from(...others: readonly { dispose(): unknown }[]): Disposable {
      return new Disposable(() => others.map((other) => other.dispose()));
    }
    readonly #dispose: () => unknown;
    constructor(dispose: () => unknown) {
      this.#dispose = dispose;
    }
    dispose(): unknown {
      return this.#dispose();
    }
  }
  return {
    version: '3.12.0',
    hostVersion: '4.1000.0',
    Disposable,
    log,
    setProgrammingModel(model: ProgrammingModel): void {
      state.model = model;
    },
    getProgrammingModel: () => state.model,
    registerFunction(metadata: Registration, callback: FunctionCallback): Disposable {
      if (state.started) {
        throw new Error(`A function can only be registered during app startup: ${metadata.name}`);
      }
      if (state.functions.has(metadata.name)) {
        throw new Error(`A function with name "${metadata.name}" has already been registered.`);
      }
      state.functions.set(metadata.name, { metadata, callback });
      return new Disposable(() => state.functions.delete(metadata.name));
    },
    registerHook(name: string, callback: HookCallback): Disposable {
      const known = hookNames.find((hook) => hook === name);
      if (known === undefined) throw new RangeError(`Unrecognized hook "${name}"`);
      const list = state.hooks[known];
      list.push(callback);
      return new Disposable(() => list.splice(list.indexOf(callback), 1));
    },
  };
}
