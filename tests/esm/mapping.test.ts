import { describe, expect, test } from '@jest/globals';
import { readSettings } from '../../shared/config/readSettings.ts';
import { readConnector } from '../../shared/esm/mapping.ts';
import { sampleMapping } from '../../local/esmSimulation/sampleConnector.ts';

const [rule] = sampleMapping.incoming;

/** Paths of the problems; empty if it can be read. */
function problemsOf(mapping: unknown): readonly string[] {
  const answer = readConnector(mapping);
  return answer.kind === 'ok' ? [] : answer.problems.map(({ path, detail }) => `${path} ${detail}`);
}

test('the sample is in order', () => {
  expect(problemsOf(sampleMapping)).toEqual([]);
});

test('all problems come at once, each with its place and what to write', () => {
  const found = problemsOf({
    incoming: [
      {
        ...rule,
        template: 'in cident',
        folder: undefined,
        deliverInto: 'chat',
        attributes: { ...rule.attributes, subjekt: 'subject', text: '$x$' },
        cardIds: [{ pattern: '(' }, { pattern: 'INC-1' }],
        newCardsPerMinute: 0,
      },
    ],
    outgoin: [],
  });
  for (const expected of [
    /^incoming\[0\]\.template must be a code of ESM .*npm run esm -- init/,
    /^incoming\[0\]\.folder is missing; docs\/schemas\/esmConnector\.json/,
    /^incoming\[0\]\.deliverInto /,
    /^incoming\[0\]\.attributes\.text must be a code/,
    /^incoming\[0\]\.attributes\.subjekt is not a field of the mapping/,
    /^incoming\[0\]\.cardIds\[0\]\.pattern must be a regular expression with one group/,
    /^incoming\[0\]\.cardIds\[1\]\.pattern must be a regular expression with one group/,
    /^incoming\[0\]\.newCardsPerMinute /,
    /^outgoin is not a field/,
  ])
    expect(found).toContainEqual(expect.stringMatching(expected));
  expect(found).toHaveLength(9);
});

test.each([
  ['attributes.comments', { attributes: { ...rule.attributes, comments: undefined } }],
  ['attributes.raw', { deliverInto: 'mail', attributes: { ...rule.attributes, raw: undefined } }],
  ['persons', { persons: [] }],
  ['attributes.internal', { stranger: 'comment', attributes: { ...rule.attributes, internal: undefined } }],
])('what does not go together: %s', (field, change) => {
  const found = problemsOf({ incoming: [{ ...rule, ...change }] });
  expect(found).toEqual([expect.stringContaining(`incoming[0].${field} is `)]);
});

test('a mailbox has one rule, and a template one report', () => {
  const other = { ...rule, mailboxes: ['SERVICEDESK@example.com'] };
  const [report] = sampleMapping.report;
  expect(problemsOf({ incoming: [rule, other], report: [report, report] })).toEqual([
    expect.stringContaining('incoming[1].mailboxes[0] is in incoming[0] already'),
    expect.stringContaining('report[1].template is there twice'),
  ]);
});

describe('settings', () => {
  const environment = {
    MailStore: 'UseDevelopmentStorage=true',
    KEY_VAULT_URL: 'https://v.vault.azure.net',
    MAILBOXES: '[{"address":"servicedesk@example.com"}]',
    OAUTH_AUTHORIZE_ENDPOINT:
      'https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/oauth2/v2.0/authorize',
    OAUTH_CLIENT_ID: '66666666-7777-8888-9999-000000000000',
    OAUTH_CLIENT_SECRET: 's',
    FETCH_SCHEDULE: '0 * * * * *',
    SWEEP_SCHEDULE: '0 * * * * *',
    PRUNE_SCHEDULE: '0 * * * * *',
    REFRESH_SCHEDULE: '0 * * * * *',
  };
  const configured = {
    ...environment,
    EVENTS_TO: 'esm',
    ESM_URL: 'https://name.efectecloud.com/rest-api/itsm/v1/',
    ESM_LOGIN: 'bridge.in',
    ESM_PASSWORD_SECRET: 'esm-password',
    ESM_CONNECTOR: JSON.stringify({ incoming: sampleMapping.incoming }),
    ESM_CONNECTOR_2: JSON.stringify({ report: sampleMapping.report }),
  };
  const read = (settings: Readonly<Record<string, string>>): unknown => {
    const answer = readSettings(settings);
    return answer.kind === 'ok' ? answer.settings.esm : answer.problems.map(({ detail }) => detail);
  };

  test('the connector is off unless configured, and its parts are joined', () => {
    expect(read(environment)).toBeUndefined();
    expect(read(configured)).toMatchObject({
      url: 'https://name.efectecloud.com/rest-api/itsm/v1',
      connector: { incoming: [{ template: 'incident' }], report: [{ template: 'incident' }] },
    });
  });

  test('everything that is missing is named', () => {
    expect(read({ ...environment, EVENTS_TO: 'esm' })).toEqual([
      expect.stringMatching(/^ESM_URL is missing/),
      expect.stringMatching(/^ESM_LOGIN is missing/),
      expect.stringMatching(/^ESM_PASSWORD_SECRET is missing/),
      expect.stringMatching(/^ESM_CONNECTOR is missing; .*esm -- init/),
    ]);
  });

  test.each([
    [{ ESM_URL: 'http://name.efectecloud.com/rest-api/itsm/v1' }, /^ESM_URL must be an https address/],
    [
      { ESM_PASSWORD_SECRET: 'p4$$ word' },
      /^ESM_PASSWORD_SECRET must be the name of a secret .* not the password/,
    ],
    [{ ESM_CONNECTOR: '{"incoming"' }, /^ESM_CONNECTOR is not valid JSON/],
    [{ ESM_CONNECTOR_2: '{"report":[{}]}' }, /^ESM_CONNECTOR_2: report\[0\]\.template is missing/],
    [
      { ESM_CONNECTOR_3: JSON.stringify({ incoming: sampleMapping.incoming }) },
      /^ESM_CONNECTOR \(all parts\): incoming\[1\]\.mailboxes\[0\] is in incoming\[0\] already/,
    ],
  ])('%j', (change, expected) => {
    const found = read({ ...configured, ...change });
    expect(found).toContainEqual(expect.stringMatching(expected));
    expect(JSON.stringify(found)).not.toContain('p4$$');
  });
});
