import { describe, expect, test } from '@jest/globals';
import { authorize, readPrincipal } from '../../shared/web/principal.ts';
import type { Authorization } from '../../shared/web/principal.ts';

const ROLE = 'MailBridge.Admin';
const claims = (roles: readonly string[]): unknown => ({
  auth_typ: 'aad',
  name_typ: 'preferred_username',
  role_typ: 'roles',
  claims: [
    { typ: 'oid', val: 'a1' },
    { typ: 'preferred_username', val: 'ada@example.test' },
    ...roles.map((val) => ({ typ: 'roles', val })),
  ],
});
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');

function request(
  principal: string | undefined,
  {
    authenticationOn = true,
    provider = 'aad',
  }: { readonly authenticationOn?: boolean; readonly provider?: string } = {},
): Authorization {
  const headers = new Map([
    ['x-ms-client-principal-idp', provider],
    ...(principal === undefined ? [] : ([['x-ms-client-principal', principal]] as const)),
  ]);
  return authorize(
    readPrincipal((name) => headers.get(name), { authenticationOn }),
    ROLE,
  );
}

test('a signed-in person with the role is let in, by name', () => {
  expect(request(encode(claims(['Other', ROLE])))).toEqual({
    kind: 'authorized',
    name: 'ada@example.test',
    objectId: 'a1',
  });
});

test('the platform’s authentication is off: a forged header with the role changes nothing', () => {
  expect(request(encode(claims([ROLE])), { authenticationOn: false })).toMatchObject({
    kind: 'forbidden',
    status: 401,
  });
  expect(request(undefined, { authenticationOn: false })).toMatchObject({ kind: 'forbidden', status: 401 });
});

test('signed in without the role: 403 that says where roles are given', () => {
  expect(request(encode(claims([])))).toMatchObject({
    kind: 'forbidden',
    status: 403,
    detail: expect.stringContaining(ROLE),
  });
  expect(request(encode(claims([`${ROLE}s`, ROLE.toLowerCase()])))).toMatchObject({ status: 403 });
});

describe('a header that is no principal counts as anonymous', () => {
  test.each([
    ['no header', undefined],
    ['an empty one', ''],
    ['no base64', '%%%'],
    ['no JSON', Buffer.from('roles').toString('base64')],
    ['null', encode(null)],
    ['a list', encode([])],
    ['claims that are no list', encode({ claims: { typ: 'roles', val: ROLE } })],
    ['a claim without value', encode({ claims: [{ typ: 'oid' }] })],
    ['a claim that is a list', encode({ claims: [{ typ: 'oid', val: ['a1'] }] })],
    ['no object id', encode({ role_typ: 'roles', claims: [{ typ: 'roles', val: ROLE }] })],
    ['600 claims', encode({ claims: Array.from({ length: 600 }, () => ({ typ: 'roles', val: ROLE })) })],
    ['70 kB', encode(claims(Array.from({ length: 400 }, () => 'x'.repeat(200))))],
  ])('%s', (_named, principal) => {
    expect(request(principal)).toEqual({ kind: 'signInRequired' });
  });

  test('another provider than Entra', () => {
    expect(request(encode(claims([ROLE])), { provider: 'github' })).toEqual({ kind: 'signInRequired' });
  });
});
