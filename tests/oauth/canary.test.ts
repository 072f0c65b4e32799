// Planted values must come back nowhere: not in a log event, an answer, an error, a row, a URL or a version's tags.
import { expect, test } from '@jest/globals';
import { grantName, grantValue } from '../../shared/oauth/grants.ts';
import { DAY_MS, MINUTE_MS, robot, startWorld, support } from './world.ts';

/** The value itself, base64 of it at each of the three offsets, URL-encoded, and its halves. */
function forms(value: string): readonly string[] {
  const shifted = ['', 'a', 'ab'].map((lead) =>
    Buffer.from(lead + value)
      .toString('base64')
      .slice(4, -4),
  );
  const half = Math.floor(value.length / 2);
  return [value, ...shifted, encodeURIComponent(value), value.slice(0, half), value.slice(half)];
}

test('no refresh token, access token, assertion or secret in anything that is logged, answered or stored beside the vault', async () => {
  const world = await startWorld();
  const seen: unknown[] = [];
  const secrets: string[] = ['canary/secret+value=1234567890'];
  try {
    const note = async (work: Promise<unknown>): Promise<void> => {
      try {
        const answer = await work;
        const shown =
          typeof answer === 'object' && answer !== null && 'token' in answer
            ? (secrets.push(String(answer.token)), { ...answer, token: 'shown to the mail server only' })
            : answer;
        seen.push(shown);
      } catch (error) {
        seen.push(error instanceof Error ? [error.name, error.message, error.stack, error.cause] : error);
      }
    };
    await world.connect(support);
    const workers = [
      world.worker(),
      world.worker({ atOnce: true }),
      world.worker({ credential: { kind: 'secret', secret: secrets[0] ?? '' } }),
      world.worker({ credential: { kind: 'certificate', pem: secrets[0] ?? '' } }),
    ];
    const faults = [
      () => undefined,
      () => {
        world.entra.injectFault({ kind: 'throttled', retryAfterSeconds: 5 });
      },
      () => {
        world.entra.injectFault({ kind: 'httpError', status: 502, html: '<p>Bad gateway</p>' });
      },
      () => {
        world.vault.injectFault({ kind: 'outage' });
      },
      () => {
        world.vault.injectFault({ kind: 'forbidden' });
      },
      () => {
        world.rows.down = true;
      },
      () => {
        world.vault.seed(
          grantName(support.address),
          grantValue({
            refreshToken: 'canary-refresh-token-0123456789',
            generation: 'x',
            account: support.address,
            consentedAt: 0,
            storedAt: 0,
          }),
        );
      },
      () => {
        world.entra.revokeSessions(support.address);
      },
    ];
    secrets.push('canary-refresh-token-0123456789');
    for (const fault of faults) {
      fault();
      for (const { tokens, tagKey } of [...workers, world.worker()]) {
        await note(tokens.get(support, 'smtp', { renew: true }));
        await note(tokens.get(robot, 'imap', { renew: true }));
        await note(tagKey().then(() => 'key'));
        world.clock.pass(2 * MINUTE_MS);
      }
      world.clock.pass(8 * DAY_MS);
      world.entra.clearFaults();
      world.vault.injectFault({ kind: 'none' });
      world.rows.down = false;
    }
    for (const name of world.vault.store.names()) {
      for (const { value, tags } of world.vault.store.versions(name)) {
        if (value.startsWith('{')) secrets.push((JSON.parse(value) as { refreshToken: string }).refreshToken);
        else secrets.push(value);
        seen.push(tags);
      }
    }
    seen.push(world.log, [...world.rows.rows.values()], world.vault.calls, world.entra.calls);
  } finally {
    await world.close();
  }
  expect(world.log.length).toBeGreaterThan(20);
  expect(secrets.length).toBeGreaterThan(10);
  const hits = (output: string): readonly string[] =>
    secrets.flatMap(forms).filter((form) => form.length > 8 && output.includes(form));
  // The search finds what is there: one secret, written as it might leak.
  expect(hits(JSON.stringify([{ url: `https://x/?c=${encodeURIComponent(secrets[0] ?? '')}` }]))).not.toEqual(
    [],
  );
  expect(hits(Buffer.from(`user=x ${secrets[0] ?? ''} .`).toString('base64'))).not.toEqual([]);
  expect(hits(JSON.stringify(seen))).toEqual([]);
}, 120_000);
