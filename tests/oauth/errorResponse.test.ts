import { describe, expect, test } from '@jest/globals';
import { refusalAnswer, refusalCodes } from '../../local/emulators/entra/refusals.ts';
import { judgeErrorResponse, retryAfterMs } from '../../shared/oauth/errorResponse.ts';
import { explainTokenError, knownCodes } from '../../shared/oauth/tokenErrors.ts';

const NOW = Date.parse('2026-11-25T09:00:00Z');
const judgeCode = (code: number): ReturnType<typeof judgeErrorResponse> => {
  const { status, body, headers } = refusalAnswer(code, NOW);
  return judgeErrorResponse({ status, body, retryAfter: headers?.['retry-after'] }, NOW);
};

describe('every number of Entra’s that has been met in the field', () => {
  test.each([
    ['needsConsent', [700082, 70008, 50173, 50132, 50133, 70043, 700084, 50076, 50079, 50072, 50074, 50078]],
    [
      'needsConsent',
      [53000, 53001, 53002, 53003, 530032, 530035, 50053, 50055, 50144, 50057, 50034, 50020, 51004],
    ],
    ['needsConsent', [50105, 65001, 90094, 54005, 501481]],
    [
      'configuration',
      [650056, 650057, 500011, 700016, 7000112, 70001, 90002, 50194, 7000215, 7000222, 7000218],
    ],
    ['configuration', [700025, 700027, 50012, 50011, 900971, 70011, 28002, 700022, 700023, 900144, 700213]],
    ['unavailable', [50196, 90055, 90033, 90006, 50033, 90024, 90012]],
  ] as const)('%s: %j', (kind, codes) => {
    for (const code of codes) {
      const refusal = judgeCode(code);
      expect({ code, kind: refusal.kind, named: refusal.code }).toEqual({
        code,
        kind,
        named: `AADSTS${code}`,
      });
      expect(refusal.detail).toMatch(
        new RegExp(`\\. .+\\. \\(AADSTS${code}, correlation id [0-9a-f-]{36}\\)$`),
      );
      expect(knownCodes).toContain(code);
    }
  });

  test('the sentence says what to do, not what the server said', () => {
    for (const code of refusalCodes) {
      const { body } = refusalAnswer(code, NOW);
      const said = (body as { error_description: string }).error_description.slice(12, 60);
      expect(judgeCode(code).detail).not.toContain(said);
    }
  });
});

describe('answers that are not what they should be', () => {
  test.each([
    ['an empty 503', { status: 503, body: undefined }, 'unavailable'],
    ['a 429 with a word', { status: 429, body: { error: 'temporarily_unavailable' } }, 'unavailable'],
    [
      'a 429 that looks like bad credentials',
      { status: 429, body: { error: 'invalid_grant', error_codes: [50173] } },
      'unavailable',
    ],
    ['HTML of a proxy', { status: 407, body: undefined }, 'unavailable'],
    ['a 200 without a token', { status: 200, body: {} }, 'unavailable'],
    ['an array', { status: 400, body: [] }, 'unavailable'],
    ['an error that is no word', { status: 400, body: { error: 'x'.repeat(5000) } }, 'unavailable'],
    ['invalid_grant alone', { status: 400, body: { error: 'invalid_grant' } }, 'needsConsent'],
    [
      'an unknown number',
      { status: 400, body: { error: 'invalid_client', error_codes: [999] } },
      'configuration',
    ],
  ] as const)('%s is %s', (_named, answer, kind) => {
    expect(judgeErrorResponse(answer, NOW).kind).toBe(kind);
  });

  test('what the server echoes goes nowhere', () => {
    const canary = 'canary-0A1b2C3d4E5f';
    const refusal = judgeErrorResponse(
      {
        status: 400,
        retryAfter: canary,
        body: {
          error: 'invalid_grant',
          error_description: `AADSTS50173: your token ${canary}`,
          error_codes: [canary],
          correlation_id: canary,
          suberror: canary,
        },
      },
      NOW,
    );
    expect(JSON.stringify(refusal)).not.toContain(canary);
    expect(refusal.code).toBe('AADSTS50173');
  });
});

test.each([
  ['7', 7_000],
  [' 120 ', 120_000],
  ['Wed, 25 Nov 2026 09:00:30 GMT', 30_000],
  ['Wed, 25 Nov 2026 08:00:00 GMT', 0],
  ['999999', 3_600_000],
  ['soon', undefined],
  [undefined, undefined],
])('Retry-After %j is %j', (header, ms) => {
  expect(retryAfterMs(header, NOW)).toBe(ms);
});

test('a number without a sentence still comes with its reference', () => {
  expect(explainTokenError({ error: 'odd_error', code: 123 })).toContain('(AADSTS123)');
  expect(explainTokenError({ error: 'odd_error' })).toContain('(odd_error)');
});
