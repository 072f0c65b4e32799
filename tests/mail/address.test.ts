import { describe, expect, test } from '@jest/globals';
import { accountKey } from '../../shared/mail/accountKey.ts';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import { eachOnce, parseAddress, sameAddress } from '../../shared/mail/address.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';

describe('an address', () => {
  test.each([
    ['a@b.test', 'a@b.test'],
    ['Aino.Virtanen@Example.NET', 'Aino.Virtanen@example.net'],
    ["o'hara+tag@x-y.example", "o'hara+tag@x-y.example"],
    ['!#$%&*/?=^_`{|}~@example.net', '!#$%&*/?=^_`{|}~@example.net'],
    ['7@7.example', '7@7.example'],
    ['b@xn--esimerkki-4za.fi', 'b@xn--esimerkki-4za.fi'],
    ['b@B\u00dcCHER.example', 'b@xn--bcher-kva.example'],
    ['b@\u4f8b\u3048\u3002\u30c6\u30b9\u30c8', 'b@xn--r8jz45g.xn--zckzah'],
    ['b@stra\u00dfe.de', 'b@xn--strae-oqa.de'],
    [`${'x'.repeat(64)}@example.net`, `${'x'.repeat(64)}@example.net`],
    [`b@${'x'.repeat(63)}.net`, `b@${'x'.repeat(63)}.net`],
    [
      `b@${'x'.repeat(60)}.${'x'.repeat(60)}.${'x'.repeat(60)}.${'x'.repeat(60)}.example`,
      `b@${'x'.repeat(60)}.${'x'.repeat(60)}.${'x'.repeat(60)}.${'x'.repeat(60)}.example`,
    ],
  ])('%s is one', (text, address) => {
    expect(parseAddress(text)).toEqual({ kind: 'ok', address });
  });

  test.each([
    ['', 'is empty'],
    ['b', 'no @'],
    ['a@b@c.test', 'more than one @'],
    ['c@x.test, d@y.test', 'a list'],
    ['g: c@x.test;', 'a list'],
    ['b@example.net NOTIFY=SUCCESS', 'a space'],
    ['b@example.net\r\nRCPT TO:<e@evil.test>', 'a line break'],
    ['b\uff20example.net', 'outside ASCII'],
    ['b@\u200bexample.net', 'a zero-width space (U+200B) at position 3'],
    ['b@example\u00a0.net', 'a no-break space (U+00A0) at position 10'],
    ['\ufeffb@example.net', '(U+FEFF) at position 1'],
    ['b\u00ad@example.net', 'a soft hyphen (U+00AD) at position 2'],
    ['o\u2019neill@example.net', 'quotation mark (U+2019) at position 2'],
    ['p\u00e4ivi@example.net', '(U+00E4) at position 2, before the @'],
    ['b@\uff11\uff12\uff17.0.0.1', 'a number for a domain'],
    ['b@ex\uff20ample.net', 'after the @'],
    ['b@\u00fc%41.example', 'an invalid domain'],
    ['b@\u00fc/x.example', 'an invalid domain'],
    ['<b@example.net>', 'angle brackets'],
    ['b@example.net(c)', 'a comment'],
    ['"b c"@example.net', 'a quoted part'],
    ['=?utf-8?q?a=40evil.test?=@example.net', 'an encoded word'],
    ['b@[192.0.2.1]', 'brackets'],
    ['b@192.0.2.1', 'a number for a domain'],
    ['b@localhost', 'without a dot'],
    ['b@example.net.', 'an invalid domain'],
    ['.b@example.net', 'a dot at the start'],
    [`${'x'.repeat(65)}@example.net`, 'at most 64'],
    [`${'x'.repeat(64)}@${'x'.repeat(60)}.${'x'.repeat(60)}.${'x'.repeat(60)}.aaa.example`, 'at most 254'],
    ['x'.repeat(1_001), '1001 characters'],
  ])('%j is none', (text, detail) => {
    const answer = parseAddress(text);
    expect(answer.kind === 'refused' ? answer.detail : answer.address).toContain(detail);
  });

  test('is the same mailbox in another case, and not the same recipient', () => {
    expect(sameAddress('Desk@example.com', 'desk@EXAMPLE.com')).toBe(true);
    expect(sameAddress('desk@example.com', 'desk2@example.com')).toBe(false);
    expect(eachOnce(['a@x.test', 'A@x.test', 'a@x.test'])).toEqual(['a@x.test', 'A@x.test']);
    expect(eachOnce(['a@x.test', 'a@X.test'])).toHaveLength(1);
  });
});

describe('an account', () => {
  test.each([
    ['Desk@Example.com', 'desk@example.com'],
    ["o'hara_1+x@example.com", "o'hara_1+x@example.com"],
    ['a/b#c?d\\e@example.com', 'a=2Fb=23c=3Fd=5Ce@example.com'],
    ['a=b@example.com', 'a=3Db@example.com'],
    ['P\u00c4IVI@example.com', 'p=C3=A4ivi@example.com'],
    ['a|b c@example.com', 'a=7Cb=20c@example.com'],
  ])('%s has the key %s', (user, key) => {
    expect(accountKey(user)).toBe(key);
    // What Azure Tables refuses in a key, and what separates our own row keys.
    expect(key).not.toMatch(/[/\\#?|\u0000-\u001f\u007f-\u009f]/);
  });

  test('is shared by the mailboxes that log in as it, under the lowest of their limits', () => {
    const limits = { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 };
    const mailbox = (address: string, change: Partial<Mailbox> = {}): Mailbox => ({
      address,
      signIn: 'delegated',
      imapUser: address,
      smtpUser: address,
      send: true,
      receive: true,
      folder: 'INBOX',
      afterFetch: { kind: 'none' },
      fetchFrom: { kind: 'all' },
      limits,
      ...change,
    });
    const first = mailbox('a@x.test', { smtpUser: 'Delegate@x.test', limits: { ...limits, connections: 1 } });
    const second = mailbox('b@x.test', {
      smtpUser: 'delegate@x.test',
      limits: { ...limits, messagesPerMinute: 10 },
    });
    const silent = mailbox('c@x.test', { send: false });
    const own = mailbox('d@x.test');
    expect(groupAccounts([first, silent, own, second])).toEqual([
      {
        key: 'delegate@x.test',
        user: 'Delegate@x.test',
        mailboxes: [first, second],
        limits: { messagesPerMinute: 10, recipientsPerDay: 10_000, connections: 1 },
      },
      { key: 'd@x.test', user: 'd@x.test', mailboxes: [own], limits },
    ]);
  });
});
