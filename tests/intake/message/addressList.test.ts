import { expect, test } from '@jest/globals';
import { parseAddressList } from '../../../intake/message/addressList.ts';

test.each<[string, readonly string[] | string]>([
  ['a@b.example', ['a@b.example']],
  ['A B <a@b.example>', ['a@b.example']],
  ['"A, B" <a@b.example>, c@d.example', ['a@b.example', 'c@d.example']],
  ['a@b.example (A (nested) B)', ['a@b.example']],
  ['ceo@x.example <desk@y.example>', ['desk@y.example']],
  ['"ceo@x.example" <desk@y.example>', ['desk@y.example']],
  ['Team: a@b.example, c@d.example;', ['a@b.example', 'c@d.example']],
  ['undisclosed-recipients:;', []],
  ['', []],
  [', ,', []],
  ['a@b.example;c@d.example', ['a@b.example', 'c@d.example']],
  ['<a@b.example> <c@d.example>', 'two addresses without a comma'],
  ['<a@b.example> c', 'text between an address'],
  ['a@b.example c@d.example', 'entry without an address'],
  ['Desk', 'entry without an address'],
  ['"open <a@b.example>', 'quotation mark'],
  ['<a@b.example', 'angle bracket'],
  ['a@b.example>', 'angle bracket'],
  ['(open', 'comment without an end'],
  ['<@r.example:a@b.example>', 'route'],
  ['a@b.example:c@d.example', 'colon inside'],
  ['x: y: a@b.example;', 'colon inside'],
])('%s', (value, expected) => {
  const list = parseAddressList(value);
  if (typeof expected === 'string') {
    expect(list).toEqual({ kind: 'unclear', detail: expect.stringContaining(expected) });
  } else expect(list.kind === 'ok' && list.people.map(({ address }) => address)).toEqual(expected);
});
