// What is published is what the code says: schemas, settings, replies.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { publishedFiles } from '../../local/commands/schemas.ts';

const root = join(import.meta.dirname, '..', '..');
const remedy = 'stale: run node local/start.mjs local/commands/schemas.ts';
const files = await publishedFiles();

test.each([...files])('%s is up to date', (path, text) => {
  const found = existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : 'missing';
  expect(found === text ? 'up to date' : remedy).toBe('up to date');
});

test('docs/schemas holds nothing else', () => {
  const schemas = [...files.keys()].filter((path) => path.startsWith('docs/schemas/'));
  const found = readdirSync(join(root, 'docs', 'schemas')).map((file) => `docs/schemas/${file}`);
  // Notices are published by the inbound side.
  expect(found.filter((path) => !path.includes('mail.received')).sort()).toEqual(schemas.sort());
});
