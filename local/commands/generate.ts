// npm run generate: writes docs/events.md and infra/events.json from the catalogue of events.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventsForQueries, eventsPage } from '../eventCatalogue.ts';

const root = join(import.meta.dirname, '..', '..');
writeFileSync(join(root, 'docs', 'events.md'), eventsPage());
writeFileSync(join(root, 'infra', 'events.json'), eventsForQueries());
console.log('docs/events.md and infra/events.json written.');
