// The one way into the log. An event is a name, a level and flat fields; the catalogue (…Events.ts in this
// folder) has one function per event, and nobody else calls a Log. Fields never hold a token, an address in
// clear where a hash will do, or content.
export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface LogEvent {
  /** `module.whatHappened`, for example `outbound.settled`. */
  readonly name: string;
  readonly level: Level;
  readonly fields: Readonly<Record<string, string | number | boolean | undefined>>;
}

export type Log = (event: LogEvent) => void;
