// How an event of the catalogue is defined: data that a test, docs/events.md and infra's queries can read, and a function
// that makes the event. The catalogue is …Events.ts in this folder, one file per module.
import type { Level, LogEvent } from './log.ts';

export type FieldType = 'string' | 'number' | 'boolean';

/** Name and type of each field; `?` marks a field that may be missing. */
export type FieldTypes = Readonly<Record<string, FieldType | `${FieldType}?`>>;

interface ValueOf {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
}

/** The values that an event with these fields is made from. */
type FieldValues<Types extends FieldTypes> = {
  readonly [Name in keyof Types as Types[Name] extends FieldType ? Name : never]: ValueOf[Types[Name] &
    FieldType];
} & {
  readonly [Name in keyof Types as Types[Name] extends FieldType ? never : Name]?:
    (Types[Name] extends `${infer Type extends FieldType}?` ? ValueOf[Type] : never) | undefined;
};

/** What is known of an event without making one. */
export interface EventDefinition {
  /** `module.whatHappened`, for example `outbound.settled`. */
  readonly event: string;
  readonly level: Level;
  /** What it means, in a sentence; for docs/events.md. */
  readonly detail: string;
  readonly fields: FieldTypes;
}

export type CataloguedEvent<Types extends FieldTypes> = EventDefinition &
  ((values: FieldValues<Types>) => LogEvent);

/** Defines an event; the result is called with the values of its fields. */
export function defineEvent<const Types extends FieldTypes>(
  event: string,
  level: Level,
  detail: string,
  fields: Types,
): CataloguedEvent<Types> {
  return Object.assign((values: FieldValues<Types>): LogEvent => ({ name: event, level, fields: values }), {
    event,
    level,
    detail,
    fields,
  });
}
