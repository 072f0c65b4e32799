// What is generated from the catalogue of events (shared/telemetry/…Events.ts): docs/events.md and the columns that
// infra's queries may use. A query can therefore name no event and no field that is never written.
import type { EventDefinition, FieldType } from '../shared/telemetry/event.ts';
import { esmEvents } from '../shared/telemetry/esmEvents.ts';
import { httpEvents } from '../shared/telemetry/httpEvents.ts';
import { inboundEvents } from '../shared/telemetry/inboundEvents.ts';
import { oauthEvents } from '../shared/telemetry/oauthEvents.ts';
import { opsEvents } from '../shared/telemetry/opsEvents.ts';
import { outboundEvents } from '../shared/telemetry/outboundEvents.ts';

/** The events of each module, by the name of the constant that holds them. */
export const catalogues: Readonly<Record<string, Readonly<Record<string, EventDefinition>>>> = {
  esmEvents,
  httpEvents,
  inboundEvents,
  oauthEvents,
  opsEvents,
  outboundEvents,
};

const kqlReaders: Readonly<Record<FieldType, string>> = {
  string: 'tostring',
  number: 'todouble',
  boolean: 'tobool',
};

/** docs/events.md, whole. */
export function eventsPage(): string {
  const lines = [
    '# Events in the log',
    '',
    'Generated from the catalogue (`shared/telemetry/`) by `npm run generate`; a test compares the two.',
    '',
    'Each event is one line of JSON, `{"event": <name>, …fields}`, logged through the invocation, so that it carries',
    'the invocation’s id as its operation id. In Log Analytics it is a row of `AppTraces`; the queries of `infra/` read',
    'each event as a table of its own, named with `_` for the dot. `?` marks a field that may be missing.',
    '',
  ];
  for (const [name, events] of Object.entries(catalogues)) {
    lines.push(`## ${name.replace(/Events$/, '')}`, '');
    for (const { event, level, detail, fields } of sorted(events)) {
      const list = fieldsOf(fields).map(
        ({ field, type, optional }) => `\`${field}\`${optional ? '?' : ''} ${type}`,
      );
      lines.push(`- \`${event}\` (${level}): ${detail}`, `  Fields: ${list.join(', ')}.`);
    }
    lines.push('');
  }
  return lines.join('\n');
}

/** infra/events.json, whole: for each event its fields with the KQL function that reads them. */
export function eventsForQueries(): string {
  const entries = Object.values(catalogues)
    .flatMap(sorted)
    .map(({ event, fields }) => [
      event,
      Object.fromEntries(fieldsOf(fields).map(({ field, type }) => [field, kqlReaders[type]])),
    ]);
  return `${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`;
}

/** The catalogued events that no source calls, as `outboundEvents.claimed`. */
export function eventsNeverLogged(sources: readonly string[]): readonly string[] {
  return Object.entries(catalogues)
    .flatMap(([name, events]) => Object.keys(events).map((event) => `${name}.${event}`))
    .filter((call) => !sources.some((source) => source.includes(`${call}(`)));
}

function sorted(events: Readonly<Record<string, EventDefinition>>): readonly EventDefinition[] {
  return Object.values(events).sort((a, b) => (a.event < b.event ? -1 : 1));
}

function fieldsOf(
  fields: EventDefinition['fields'],
): readonly { readonly field: string; readonly type: FieldType; readonly optional: boolean }[] {
  return Object.entries(fields).map(([field, spec]) => {
    const type = (['string', 'number', 'boolean'] as const).find((one) => spec.startsWith(one)) ?? 'string';
    return { field, type, optional: spec.endsWith('?') };
  });
}
