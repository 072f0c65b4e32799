// The operator API: who gets in, what is found, what is done and what the audit trail keeps of it.
import { describe, expect, test } from '@jest/globals';
import { routes } from '../../shared/ops/api/routes.ts';
import { formCookie, formToken } from '../../shared/web/access.ts';
import {
  administrator,
  bearer,
  claimsOf,
  operatorRig,
  origin,
  principalOf,
  session,
  viewer,
  type OperatorRig,
} from './operatorRig.ts';

const noSuchUser = { code: 550, enhanced: '5.1.1', text: 'User unknown' };

/** Three messages that were refused for good, and one that was sent. */
async function withDeadLetters(): Promise<OperatorRig> {
  const rig = operatorRig();
  const { world, host } = rig;
  world.server.dialogPlan = () => ({ refuse: { phase: 'rcpt', reply: noSuchUser } });
  for (const id of ['a', 'b', 'c']) await world.submit(host, id, { correlation: { ticket: `INC-${id}` } });
  await world.answerWakeUps(host);
  world.server.dialogPlan = () => ({});
  await world.submit(host, 'd');
  await world.answerWakeUps(host);
  await world.minutes(host, 1);
  return rig;
}

const post = (rig: OperatorRig, path: string, body: unknown, headers?: Readonly<Record<string, string>>) =>
  rig.ask({ method: 'POST', path, body, ...(headers === undefined ? {} : { headers }) });
const states = async ({ world, host }: OperatorRig): Promise<readonly string[]> => {
  const found: string[] = [];
  for (const id of ['a', 'b', 'c', 'd']) found.push(await world.state(host, id));
  return found;
};
const audit = async (rig: OperatorRig): Promise<readonly Readonly<Record<string, unknown>>[]> =>
  (await rig.ask({ path: 'audit' })).body['entries'] as readonly Readonly<Record<string, unknown>>[];

describe('who gets in', () => {
  const cookie = formCookie('0123456789abcdef0123456789abcdef').split(';')[0] ?? '';
  const withoutToken = { ...session(administrator), 'x-form-token': '' };
  test.each([
    { named: 'nobody', headers: {}, status: 401 },
    { named: 'a token without a role', headers: bearer(), status: 403 },
    { named: 'another role', headers: bearer('MailBridge.Sender'), status: 403 },
    { named: 'a viewer', headers: bearer(viewer), status: 403 },
    {
      named: 'a spoofed header while authentication is off',
      headers: bearer(administrator),
      on: false,
      status: 401,
    },
    {
      named: 'a principal that is neither a token’s nor a browser’s',
      headers: principalOf(claimsOf(administrator)),
      status: 401,
    },
    {
      named: 'another provider',
      headers: { ...bearer(administrator), 'x-ms-client-principal-idp': 'google' },
      status: 401,
    },
    {
      named: 'no principal, but a header that says so',
      headers: { 'x-ms-client-principal-id': 'a1', 'x-ms-client-principal-idp': 'aad' },
      status: 401,
    },
    {
      named: 'a form on another site',
      headers: { ...session(administrator), origin: 'https://evil.test' },
      status: 403,
    },
    { named: 'a session without an origin', headers: { ...session(administrator), origin: '' }, status: 403 },
    { named: 'a session without the page’s token', headers: withoutToken, status: 403 },
    {
      named: 'another person’s token',
      headers: {
        ...session(administrator),
        'x-form-token': formToken('0123456789abcdef0123456789abcdef', { objectId: 'b2' }),
      },
      status: 403,
    },
    {
      named: 'the cookie twice',
      headers: { ...session(administrator), cookie: `${cookie}; ${cookie}` },
      status: 403,
    },
    {
      named: 'a token that a browser sent from another site',
      headers: { ...bearer(administrator), 'sec-fetch-site': 'cross-site' },
      status: 403,
    },
  ])('refused, and nothing done: $named', async ({ headers, on = true, status }) => {
    const rig = await withDeadLetters();
    const body = { action: 'replay', ids: ['a'] };
    const { answer, body: problem } = await rig.ask({
      method: 'POST',
      path: 'messages',
      headers,
      body,
      authenticationOn: on,
    });
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(problem).toMatchObject({
      status,
      title: expect.stringMatching(/\.$/),
      remedy: expect.stringMatching(/./),
    });
    expect(await states(rig)).toEqual(['failed', 'failed', 'failed', 'sent']);
    expect(await audit(rig)).toEqual([]);
  });

  test('every route answers 401 to nobody and 403 without a role; a viewer sees states and no message', async () => {
    const rig = operatorRig();
    for (const { method, path, role } of Object.values(routes)) {
      const asked = { method, path: path.replace('/api/ops/v1/', '').replace('{id}', 'a'), body: {} };
      const statusOf = async (headers: Readonly<Record<string, string>>): Promise<number> =>
        (await rig.ask({ ...asked, headers })).answer.status;
      expect([path, await statusOf({})]).toEqual([path, 401]);
      expect([path, await statusOf(bearer())]).toEqual([path, 403]);
      expect([path, await statusOf(bearer(viewer))]).toEqual([path, role === 'viewer' ? 200 : 403]);
    }
    expect((await rig.ask({ path: 'nothing' })).answer.status).toBe(404);
  });

  test('claims under their long names count as well', async () => {
    const long = principalOf([
      { typ: 'http://schemas.microsoft.com/identity/claims/objectidentifier', val: 'a1' },
      { typ: 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role', val: administrator },
      { typ: 'http://schemas.microsoft.com/identity/claims/scope', val: 'MailBridge.Use' },
    ]);
    expect((await operatorRig().ask({ path: 'audit', headers: long })).answer.status).toBe(200);
  });

  test('a program on Node, whose fetch marks every request with Sec-Fetch-Mode, counts as a program', async () => {
    const rig = await withDeadLetters();
    const headers = { ...bearer(administrator), 'sec-fetch-mode': 'cors' };
    expect((await post(rig, 'messages', { action: 'replay', ids: ['a'] }, headers)).answer.status).toBe(200);
    expect((await audit(rig))[0]).toMatchObject({ via: 'bearer' });
  });

  test('the page’s session does what a token does', async () => {
    const rig = await withDeadLetters();
    const { answer } = await post(rig, 'messages', { action: 'replay', ids: ['a'] }, session(administrator));
    expect(answer.status).toBe(200);
    expect((await audit(rig))[0]).toMatchObject({ via: 'session', by: 'anna@example.com' });
  });
});

describe('finding', () => {
  const found = async (rig: OperatorRig, query: string): Promise<readonly unknown[]> => {
    const { body } = await rig.ask({ path: `messages?${query}` });
    return (body['messages'] as readonly { readonly id: string }[]).map(({ id }) => id);
  };

  test('by id, state, recipient, ticket, text of the reason and mailbox, and several together', async () => {
    const rig = await withDeadLetters();
    expect(await found(rig, '')).toEqual(['a', 'b', 'c', 'd']);
    expect(await found(rig, 'id=b')).toEqual(['b']);
    expect(await found(rig, 'state=failed')).toEqual(['a', 'b', 'c']);
    expect(await found(rig, 'recipient=D@EXAMPLE')).toEqual(['d']);
    expect(await found(rig, 'correlation=inc-c')).toEqual(['c']);
    expect(await found(rig, 'text=user%20unknown')).toEqual(['a', 'b', 'c']);
    expect(await found(rig, 'subject=ABOUT%20b')).toEqual(['b']);
    expect(await found(rig, 'mailbox=DESK@example.com&state=sent')).toEqual(['d']);
    expect(await found(rig, 'mailbox=hr@example.com')).toEqual([]);
    expect(await found(rig, 'acceptedBefore=2000-01-01T00:00:00Z')).toEqual([]);
  });

  test('page by page, each message once', async () => {
    const rig = await withDeadLetters();
    const seen: unknown[] = [];
    let next: unknown = '';
    while (typeof next === 'string') {
      const { body } = await rig.ask({ path: `messages?limit=1${next === '' ? '' : `&after=${next}`}` });
      seen.push(...(body['messages'] as readonly { readonly id: string }[]).map(({ id }) => id));
      next = body['next'];
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd']);
  });

  test.each(['limit=0', 'limit=1&limit=2', 'state=lost', 'unknown=1', 'after=nonsense', 'mailbox='])(
    'what can’t be read is said by name: %s',
    async (query) => {
      expect((await operatorRig().ask({ path: `messages?${query}` })).answer.status).toBe(400);
    },
  );

  test('a mailbox that is not served is said with those that are', async () => {
    const { answer, body } = await operatorRig().ask({ path: 'messages?mailbox=x@example.com' });
    expect(answer.status).toBe(404);
    expect(body['detail']).toContain('x@example.com');
    expect(body['remedy']).toContain('desk@example.com, hr@example.com, Sales@example.com');
  });

  test('one message: its history, replies and recipients, and no subject', async () => {
    const rig = await withDeadLetters();
    const { body } = await rig.ask({ path: 'messages/a' });
    expect(body).toMatchObject({
      id: 'a',
      state: 'failed',
      recipients: [{ address: 'a@example.org', outcome: 'failed', code: 550 }],
      correlation: { ticket: 'INC-a' },
    });
    expect((body['history'] as readonly unknown[]).length).toBeGreaterThan(1);
    expect(JSON.stringify(body)).not.toContain('About a');
    expect((await rig.ask({ path: 'messages/zzz' })).answer.status).toBe(404);
    expect((await rig.ask({ path: 'messages/..%2f..%2fa' })).answer.status).toBe(404);
  });
});

describe('acting', () => {
  test('on ids: done, refused and unknown are told apart, and one row is written', async () => {
    const rig = await withDeadLetters();
    const { body } = await post(rig, 'messages', {
      action: 'replay',
      ids: ['a', 'd', 'zzz'],
      reason: 'fixed',
    });
    expect(body).toMatchObject({
      doneCount: 1,
      results: [
        { id: 'a', result: 'done' },
        { id: 'd', result: 'refused', detail: expect.stringContaining('sent') },
        { id: 'zzz', result: 'unknown', detail: 'There is no message zzz.' },
      ],
    });
    expect(await audit(rig)).toMatchObject([
      {
        action: 'replay',
        on: 'a d zzz',
        reason: 'fixed',
        result: 'done',
        doneCount: 1,
        refusedCount: 2,
        via: 'bearer',
        by: 'anna@example.com',
      },
    ]);
    await rig.world.minutes(rig.host, 2);
    expect(await states(rig)).toEqual(['sent', 'failed', 'failed', 'sent']);
  });

  test('on a filter: a dry run says which and does nothing; then it is done', async () => {
    const rig = await withDeadLetters();
    const filter = { state: 'failed', correlation: 'INC-' };
    const dry = await post(rig, 'messages', { action: 'replay', filter, dryRun: true });
    expect(dry.body).toMatchObject({ dryRun: true, matchedCount: 3, doneCount: 0 });
    expect(await states(rig)).toEqual(['failed', 'failed', 'failed', 'sent']);
    expect(await audit(rig)).toEqual([]);
    const { body } = await post(rig, 'messages', { action: 'replay', filter });
    expect(body).toMatchObject({ dryRun: false, matchedCount: 3, doneCount: 3 });
    await rig.world.minutes(rig.host, 2);
    expect(await states(rig)).toEqual(['sent', 'sent', 'sent', 'sent']);
  });

  test('every message by accident is refused: neither ids nor filter, both, or an empty filter', async () => {
    const rig = await withDeadLetters();
    for (const body of [
      { action: 'remove' },
      { action: 'remove', ids: ['a'], filter: { state: 'failed' } },
      { action: 'remove', filter: {} },
      { action: 'explode', ids: ['a'] },
      { action: 'remove', ids: ['a'], more: 1 },
    ])
      expect((await post(rig, 'messages', body)).answer.status).toBe(422);
    expect((await post(rig, 'messages', '[')).answer.status).toBe(400);
    expect((await post(rig, 'messages', `"${'x'.repeat(70_000)}"`)).answer.status).toBe(413);
    expect(await states(rig)).toEqual(['failed', 'failed', 'failed', 'sent']);
  });

  test('content is shown with a reason, and the audit trail has it', async () => {
    const rig = await withDeadLetters();
    expect((await post(rig, 'messages/a/reveal', { reason: '' })).answer.status).toBe(422);
    const { body } = await post(rig, 'messages/a/reveal', { reason: 'asked by the sender' });
    expect(body).toEqual({ subject: 'About a', text: 'Hello', attachments: [] });
    expect(await audit(rig)).toMatchObject([
      { action: 'reveal', on: 'desk@example.com a', reason: 'asked by the sender' },
    ]);
  });

  test('pause and resume: a mailbox in any case, an account by its login; an unknown one is an error', async () => {
    const rig = operatorRig();
    const paused = await post(rig, 'sending', {
      action: 'pause',
      mailbox: 'HR@Example.com',
      reason: 'holiday',
    });
    expect(paused.body).toEqual({ account: 'desk@example.com', mailboxes: ['hr@example.com'] });
    const holds = async (): Promise<number> =>
      (await rig.world.run(rig.host.outbound.watch('desk@example.com'))).state.holds.length;
    expect(await holds()).toBe(1);
    await post(rig, 'sending', { action: 'resume', mailbox: 'hr@example.com' });
    expect(await holds()).toBe(0);
    const all = await post(rig, 'sending', { action: 'pause', account: 'Desk@Example.com' });
    expect(all.body['mailboxes']).toEqual(['desk@example.com', 'hr@example.com']);
    for (const body of [
      { action: 'pause', account: 'nobody@example.com' },
      { action: 'pause' },
      { action: 'pause', mailbox: 'x@y.z' },
    ]) {
      const { answer, body: problem } = await post(rig, 'sending', body);
      expect(answer.status).toBe(404);
      expect(problem['remedy']).toMatch(/desk@example\.com/);
    }
    expect((await audit(rig)).length).toBe(3);
  });

  test('a test message takes the way of every message; to itself, or to whom it is said', async () => {
    const rig = operatorRig();
    const { answer, body } = await post(rig, 'test-messages', { mailbox: 'Desk@Example.com' });
    expect([answer.status, body['mailbox'], body['to']]).toEqual([
      202,
      'desk@example.com',
      'desk@example.com',
    ]);
    await post(rig, 'test-messages', { mailbox: 'desk@example.com', to: 'you@example.org' });
    await rig.world.answerWakeUps(rig.host);
    await rig.world.minutes(rig.host, 1);
    expect(await rig.world.state(rig.host, String(body['id']))).toBe('sent');
    expect(rig.world.server.arrivals.length).toBe(2);
    const refused = await post(rig, 'test-messages', { mailbox: 'desk@example.com', to: 'no address' });
    expect([refused.answer.status, refused.body['detail']]).toEqual([
      400,
      expect.stringContaining('address'),
    ]);
    expect((await post(rig, 'test-messages', { mailbox: 'x@example.com' })).answer.status).toBe(404);
    expect((await audit(rig)).map(({ action, result }) => [action, result])).toEqual([
      ['send test', 'failed'],
      ['send test', 'done'],
      ['send test', 'done'],
    ]);
  });

  test('jobs and the doctor', async () => {
    const rig = operatorRig();
    for (const job of ['fetch', 'sweep', 'prune', 'refresh']) await post(rig, 'jobs', { job });
    expect(rig.ran).toEqual(['fetch', 'sweep', 'prune', 'refresh']);
    expect((await post(rig, 'doctor', { mailbox: 'desk@example.com' })).body).toMatchObject({ ok: true });
    expect((await post(rig, 'doctor', { mailbox: 'x@example.com' })).answer.status).toBe(404);
    expect((await audit(rig)).map(({ action }) => action)).toEqual([
      'doctor',
      'run refresh',
      'run prune',
      'run sweep',
      'run fetch',
    ]);
  });

  test('a store that does not answer is 503 with a remedy, and the act is in the trail as begun or not done', async () => {
    const rig = await withDeadLetters();
    rig.host.wire.faultPlan = () => ({ thereMs: 2, backMs: 2, trouble: 'refused' });
    const { answer, body } = await post(rig, 'messages', { action: 'replay', ids: ['a'] });
    expect([answer.status, body['type']]).toEqual([503, 'urn:esm-mail-bridge:problem:unavailable']);
  });

  test('the description is served', async () => {
    const { body } = await operatorRig().ask({ path: 'openapi.json', headers: bearer(viewer) });
    expect(body).toMatchObject({ openapi: '3.1.0' });
    expect(origin).toMatch(/^https/);
  });
});
