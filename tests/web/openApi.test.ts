import { expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { z } from 'zod';
import { openApiDocument } from '../../shared/web/openApi.ts';
import { problemSchema } from '../../shared/web/problemSchema.ts';

const outcome = z.strictObject({ id: z.string(), since: z.iso.datetime() }).meta({ id: 'Outcome' });
const document = openApiDocument({
  title: 'Test',
  version: '1.0.0',
  description: 'A test.',
  routes: {
    listThings: {
      method: 'GET',
      path: '/api/things/{id}',
      summary: 'Things.',
      tag: 'things',
      security: ['bearer', 'key'],
      query: z.strictObject({
        mailbox: z.string().describe('whose'),
        limit: z.coerce.number().int().min(1).max(50).default(50).describe('at most'),
      }),
      answers: { 200: z.strictObject({ things: z.array(outcome) }).describe('The things.') },
      problems: [404],
    },
    changeThing: {
      method: 'POST',
      path: '/api/things/{id}',
      summary: 'Changes one.',
      tag: 'things',
      security: ['bearer'],
      body: z.strictObject({ dryRun: z.boolean().default(false), reason: z.string() }),
      answers: { 200: outcome },
      problems: [409],
    },
  },
  securitySchemes: {
    bearer: { type: 'http', scheme: 'bearer' },
    key: { type: 'apiKey', in: 'header', name: 'x-bridge-key' },
  },
  problem: problemSchema,
  commonProblems: [401, 403],
});
const paths = document['paths'] as Record<string, Record<string, Record<string, unknown>>>;
const ofGet = paths['/api/things/{id}']?.['get'] ?? {};

test('the document is valid OpenAPI 3.1', async () => {
  const result = await new Validator().validate(structuredClone(document));
  expect(result).toMatchObject({ valid: true });
});

test('a parameter with a default is not required, one without is, and a path parameter always', () => {
  expect(ofGet['parameters']).toEqual([
    { name: 'id', in: 'path', required: true, schema: { type: 'string' } },
    { name: 'mailbox', in: 'query', required: true, description: 'whose', schema: { type: 'string' } },
    {
      name: 'limit',
      in: 'query',
      required: false,
      description: 'at most',
      schema: { type: 'integer', minimum: 1, maximum: 50, default: 50 },
    },
  ]);
});

test('a named schema is a component, without an $id, and is referred to', () => {
  expect(JSON.stringify(document)).not.toMatch(/\$defs|"\$id"|"\$schema"/);
  expect(JSON.stringify(ofGet['responses'])).toContain('"$ref":"#/components/schemas/Outcome"');
  expect(document['components']).toMatchObject({
    schemas: { Outcome: { type: 'object', required: ['id', 'since'] }, Problem: { type: 'object' } },
  });
});

test('every route has the common problems and its own, and a body of a request needs no defaults', () => {
  expect(Object.keys(ofGet['responses'] as object)).toEqual(['200', '401', '403', '404']);
  const body = JSON.stringify(paths['/api/things/{id}']?.['post']?.['requestBody']);
  expect(body).toContain('"required":["reason"]');
});
