import { describe, expect, test } from '@jest/globals';
import { parseRoute } from '../../../local/functionsHost/routes.ts';

describe('a route', () => {
  test.each([
    ['mail', '/api/mail', {}],
    ['mail', '/API/Mail/', {}],
    ['mail', '/mail', undefined],
    ['mail', '/api/mail/1', undefined],
    ['mail/{id}', '/api/mail/a%2Fb', { id: 'a/b' }],
    ['mail/{id}', '/api/mail', undefined],
    ['mail/{id?}', '/api/mail', {}],
    ['{mailbox}/mail/{id}', '/api/x@y.z/mail/7', { mailbox: 'x@y.z', id: '7' }],
    ['files/{*path}', '/api/files/a/b%20c', { path: 'a/b c' }],
    ['files/{*path}', '/api/files', { path: '' }],
    ['mail/{id}', '/api/mail/%E0%A4', { id: '%E0%A4' }],
  ])('%s against %s', (template, path, expected) => {
    expect(parseRoute(template, 'api').match(path)).toEqual(expected);
  });

  test.each(['admin', 'adminPage', 'Admin/x', 'runtime', '/RuntimeInfo'])(
    "%s is the host's own",
    (template) => {
      expect(() => parseRoute(template, 'api')).toThrow('conflicts with one or more built in routes');
    },
  );

  test.each(['{id:int}', '{id=5}', 'a{id}', '{a}-{b}', '{'])('%s is rejected with the reason', (template) => {
    expect(() => parseRoute(template, 'api')).toThrow('no route segment of the form');
  });

  test('only ends with an optional part', () => {
    expect(() => parseRoute('{a?}/b', 'api')).toThrow('Only the last segment');
  });

  test('with a literal goes before one with a parameter, and that before the rest', () => {
    const ranks = ['{*rest}', '{a}/b', 'a/{b}', 'a/b'].map((template) => parseRoute(template, 'api').rank);
    expect([...ranks].sort()).toEqual([...ranks].reverse());
  });
});
