// The doctor tries from outside what must be closed; a route that it does not know would be open unseen.
import { expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { guardedRoutes } from '../../shared/ops/guardedRoutes.ts';

/**
 * Open on purpose. The callback: the cookie and the state decide there (tests/oauth/consent.test.ts). Health: alive and
 * version for anybody, the rest by role (tests/ops/health.test.ts).
 */
const open: ReadonlySet<string> = new Set(['GET /api/oauth/callback', 'GET /api/health']);

/** `METHOD /api/route` of every HTTP trigger; a parameter is shown as `x`. */
function registeredRoutes(): readonly string[] {
  const folder = join(import.meta.dirname, '../../functions');
  return readdirSync(folder).flatMap((file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    if (!text.includes('app.http(')) return [];
    const route = /route: '([^']+)'/.exec(text)?.[1];
    const methods = /methods: \[([^\]]+)\]/.exec(text)?.[1]?.match(/[A-Z]+/g);
    if (route === undefined || !methods) throw new Error(`${file} names no route or no methods`);
    return methods.map((method) => `${method} /api/${route.replaceAll(/\{[^}]*\}/g, 'x')}`);
  });
}

test('every route but the callback and health is among those that the doctor tries from outside', () => {
  const known = new Set(guardedRoutes.map(({ method, path }) => `${method} ${path}`));
  const routes = registeredRoutes();
  expect(routes).toEqual(expect.arrayContaining([...open]));
  expect(routes.filter((route) => !known.has(route) && !open.has(route))).toEqual([]);
  expect([...known].filter((route) => !routes.includes(route))).toEqual(['GET /admin/host/status']);
});
