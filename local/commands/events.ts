// npm run events: writes docs/events.md and infra/events.json from the catalogue of events.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventsForQueries, eventsPage, readCatalogue } from '../eventCatalogue.ts';

const root = join(import.meta.dirname, '..', '..');
const events = readCatalogue(root);
writeFileSync(join(root, 'docs', 'events.md'), eventsPage(events));
writeFileSync(join(root, 'infra', 'events.json'), eventsForQueries(events));
console.log(`${events.length} events written to docs/events.md and infra/events.json.`);
