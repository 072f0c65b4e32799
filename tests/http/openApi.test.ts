// docs/openapi.json is valid OpenAPI 3.1 and says what the functions are (that it is up to date: tests/config/published).
import { expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiDescription } from '../../local/openApi.ts';
import { routes } from '../../shared/http/routes.ts';
import { openApiDocument } from '../../shared/web/openApi.ts';

const functions = join(import.meta.dirname, '..', '..', 'functions');

test('the document is valid, and nothing in it has an $id or $schema of its own', async () => {
  const document = openApiDocument(apiDescription);
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);
  expect(JSON.stringify(document)).not.toMatch(/"\$(?:id|schema)"/);
});

test.each(Object.entries(routes))(
  'the function %s has the route, and is called by its name',
  (name, route) => {
    const text = readFileSync(join(functions, `${name}.ts`), 'utf8');
    const template = /route: '([^']+)'/.exec(text)?.[1]?.replace('{*', '{');
    expect(`/api/${template ?? ''}`).toBe(route.path);
    expect(text).toContain(`methods: ['${route.method}']`);
    expect(text).toContain(`http('${name}', request, context)`);
  },
);

test('every function that is answered by the HTTP side is among the routes', () => {
  const names = readdirSync(functions)
    .filter((file) => readFileSync(join(functions, file), 'utf8').includes('=> http('))
    .map((file) => file.replace('.ts', ''));
  expect(names.toSorted()).toEqual(Object.keys(routes).toSorted());
});
