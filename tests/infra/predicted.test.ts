// What the deployment of each parameter file will be, evaluated without Azure (bicep snapshot), against what the
// app, its host and the security catalogue expect of it.
import { afterAll, describe, expect, jest, test } from '@jest/globals';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mailboxFields } from '../../shared/config/mailboxes.ts';
import { readSettings } from '../../shared/config/readSettings.ts';
import { mailboxSettings, settingsTable } from '../../shared/config/settingsTable.ts';
import { containerNames, exportContainerName, queueNames, tableNames } from '../../shared/storage/names.ts';
import {
  appSettings,
  consumerId as consumer,
  every,
  layOut,
  only,
  root,
  senderId as sender,
  subscriptionId,
  tenantId,
  withExamples,
  withIntake,
  type Prediction,
} from './bench.ts';
import { at, detail, list, record } from './json.ts';
import { outline } from './outline.ts';
import { account, complaintsAbout } from './rules.ts';

// The compiler is another process, and the machine may be busy.
jest.setTimeout(120_000);

const bench = layOut();
afterAll(() => {
  bench.remove();
});
const dev = await bench.predict('dev.bicepparam', 'rg-mail-dev');
const prod = await bench.predict('prod.public.bicepparam', 'rg-mail-prod');
const closed = await bench.predict('prod.private.bicepparam', 'rg-mail-prod');
// With the name of the deployment that azd makes, the evaluator would look through it and write references in another way.
const azdTemplate = join(bench.folder, 'azd', 'main.bicep');
writeFileSync(azdTemplate, readFileSync(azdTemplate, 'utf8').replace("  name: 'mail-bridge'\n", ''));
const azd = await bench.predict('azd/main.bicepparam');
const full = await bench.predict('prod.private.bicepparam', 'rg-mail-prod', withIntake);
const deployments = [
  ['dev', dev],
  ['prod, public', prod],
  ['prod, private', closed],
  ['azd', azd],
] as const;

describe.each([...deployments, ['prod, private, with everything that is off by default', full] as const])(
  '%s',
  (name, prediction) => {
    test('breaks no rule', () => {
      const network = name.startsWith('prod, private') ? 'private' : 'public';
      expect(complaintsAbout({ prediction, network })).toEqual([]);
    });
  },
);

const lastParts = (prediction: Prediction, type: string): readonly string[] =>
  prediction.resources.filter((one) => one.type === type).map((one) => one.name.split('/').at(-1) ?? '');

describe.each(deployments)('%s: the store', (_name, prediction) => {
  const services = 'Microsoft.Storage/storageAccounts';

  test('has the queues that the code binds to, poison queues included, and no other', () => {
    expect(lastParts(prediction, `${services}/queueServices/queues`).toSorted()).toEqual(
      Object.values(queueNames).toSorted(),
    );
  });

  test('has a poison queue for each queue that a function is bound to', () => {
    const queues = lastParts(prediction, `${services}/queueServices/queues`);
    expect(queues).toEqual(
      expect.arrayContaining(['outbound-mail-poison', 'outbound-wake-poison', 'heartbeat-poison']),
    );
  });

  test('has the tables of the code, and no other', () => {
    expect(lastParts(prediction, `${services}/tableServices/tables`).toSorted()).toEqual(
      Object.values(tableNames).toSorted(),
    );
  });

  test('has the containers of the code and the package’s, and no other', () => {
    expect(lastParts(prediction, `${services}/blobServices/containers`).toSorted()).toEqual(
      [...Object.values(containerNames), exportContainerName, 'app-package'].toSorted(),
    );
  });
});

test('purge protection is on when asked for; otherwise absent, since the service refuses "false"', async () => {
  const protection = (prediction: Prediction): unknown =>
    at(only(prediction, 'Microsoft.KeyVault/vaults'), 'properties', 'enablePurgeProtection') ?? undefined;
  const on = await bench.predict('prod.public.bicepparam', 'rg-x', (text) =>
    withExamples(text).replace('purgeProtection = false', 'purgeProtection = true'),
  );
  expect(protection(on)).toBe(true);
  expect(protection(prod)).toBeUndefined();
  expect(protection(dev)).toBeUndefined();
});

test('changes of the site come one after another: App Service refuses one while another is in progress', async () => {
  const template = await bench.compile('modules/app.bicep');
  const after = (name: string): string => JSON.stringify(at(template, 'resources', name, 'dependsOn'));
  expect(after('app::noPasswordForScm')).toContain('app::noPasswordForFtp');
  expect(after('app::authentication')).toContain('app::noPasswordForScm');
});

describe('parameters that can’t hurt', () => {
  test.each(['dev.bicepparam', 'prod.public.bicepparam', 'prod.private.bicepparam'])(
    '%s as it is holds no mailbox, and says so',
    async (file) => {
      await expect(bench.predict(file, 'rg-x', (text) => text)).rejects.toThrow(
        'The parameter "mailboxes" is empty',
      );
    },
  );

  test.each(['dev.bicepparam', 'prod.public.bicepparam', 'prod.private.bicepparam', 'azd/main.bicepparam'])(
    '%s names no id, address or redirect outside its comments',
    (file) => {
      const text = readFileSync(join(bench.folder, file), 'utf8').replaceAll(/\/\/.*$/gm, '');
      expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-|@|\.example|https?:\/\//);
    },
  );

  test.each(['Mail_Prod.x', 'Mail', '1mail', 'mail-', 'mail prod'])(
    'the name %s is refused',
    async (name) => {
      const edit = (text: string): string => withExamples(text).replace("'mail-dev'", `'${name}'`);
      await expect(bench.predict('dev.bicepparam', 'rg-x', edit)).rejects.toThrow(
        `The parameter "name" is "${name}"`,
      );
    },
  );

  test('a retention that the workspace does not know does not compile', async () => {
    const edit = (text: string): string => text.replace('logRetentionDays = 90', 'logRetentionDays = 45');
    await expect(bench.predict('prod.public.bicepparam', 'rg-x', edit)).rejects.toThrow(/45/);
  });

  test('the component has no retention of its own', () => {
    expect(at(only(prod, 'Microsoft.Insights/components'), 'properties', 'RetentionInDays')).toBeUndefined();
    expect(at(only(prod, 'Microsoft.OperationalInsights/workspaces'), 'properties', 'retentionInDays')).toBe(
      90,
    );
  });

  test('alerts are off when asked, and all at once', async () => {
    const quiet = await bench.predict(
      'dev.bicepparam',
      'rg-x',
      (text) => `${withExamples(text)}\nparam alertsEnabled = false\n`,
    );
    const rules = every(quiet, 'Microsoft.Insights/scheduledQueryRules');
    expect(rules.length).toBeGreaterThanOrEqual(8);
    expect(new Set(rules.map((rule) => at(rule, 'properties', 'enabled')))).toEqual(new Set([false]));
  });
});

const given = (more: string) => (text: string) => `${withExamples(text)}\nparam deployEntra = false\n${more}`;
const first = await bench.predict('prod.public.bicepparam', 'rg-mail-prod', given(''));
const clientId = '44444444-4444-4444-8444-444444444444';
const second = await bench.predict(
  'prod.public.bicepparam',
  'rg-mail-prod',
  given(`param existingClientId = '${clientId}'\n`),
);

// Read the difference before accepting it with -u: this is what will change in Azure.
describe('as a whole', () => {
  test.each([
    ['dev', dev],
    ['prod, public', prod],
    ['prod, private', closed],
    ['prod without Entra, first pass', first],
    ['prod, private, with everything that is off by default', full],
  ])('%s', (_name, prediction) => {
    expect(outline(prediction)).toMatchSnapshot();
  });
});

describe('without Entra', () => {
  test('the first pass has no sign-in and no client id, rather than empty ones', () => {
    expect(every(first, 'Microsoft.Web/sites/config')).toEqual([]);
    expect(appSettings(first).has('OAUTH_CLIENT_ID')).toBe(false);
  });

  test('the second has both, and differs in nothing else', () => {
    expect(appSettings(second).get('OAUTH_CLIENT_ID')).toBe(clientId);
    const provider = ['properties', 'identityProviders', 'azureActiveDirectory'];
    const signIn = at(only(second, 'Microsoft.Web/sites/config'), ...provider);
    expect(at(signIn, 'registration', 'clientId')).toBe(clientId);
    expect(at(signIn, 'validation', 'allowedAudiences')).toContain(clientId);
    const ids = (prediction: Prediction): readonly string[] => prediction.resources.map(({ id }) => id);
    expect(ids(second).filter((id) => !ids(first).includes(id))).toEqual([
      expect.stringMatching(/authsettingsV2/),
    ]);
  });

  test('the outputs that the guide reads next are there with the registration, and empty without', () => {
    const named = ['clientId', 'identifierUri', 'adminConsentUrl'] as const;
    const valuesOf = ({ outputs }: Prediction) => named.map((name) => outputs[name]);
    expect(valuesOf(first)).toEqual(['', '', '']);
    const [id, uri, consent] = valuesOf(second);
    expect(id).toBe(clientId);
    expect(uri).toMatch(/^api:\/\/func-mail-prod-\w+\.azurewebsites\.net$/);
    // The login's address is Azure's to fill in.
    expect(consent).toMatch(new RegExp(`adminconsent.*'${tenantId}', '${clientId}'`));
  });

  test('neither touches Entra', () => {
    expect(
      [...first.resources, ...second.resources].filter(({ type }) => type.startsWith('Microsoft.Graph')),
    ).toEqual([]);
  });
});

describe.each(deployments)('%s: the app', (_name, prediction) => {
  const app = only(prediction, 'Microsoft.Web/sites');
  const settings = appSettings(prediction);

  test('has 2,048 MB an instance', () => {
    expect(at(app, 'properties', 'functionAppConfig', 'scaleAndConcurrency', 'instanceMemoryMB')).toBe(2048);
  });

  test('every setting is the app’s, the host’s or the platform’s', () => {
    const known = new Set(settingsTable.map(({ name }) => name));
    const others = [...settings.keys()].filter((name) => !known.has(name));
    expect(others.toSorted()).toEqual([
      'APPLICATIONINSIGHTS_AUTHENTICATION_STRING',
      'APPLICATIONINSIGHTS_CONNECTION_STRING',
      'AzureWebJobsStorage__blobServiceUri',
      'AzureWebJobsStorage__clientId',
      'AzureWebJobsStorage__credential',
      'AzureWebJobsStorage__tableServiceUri',
      'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID',
    ]);
  });

  test('every setting that the app requires is there', () => {
    const required = settingsTable.filter((row) => row.required === 'yes').map(({ name }) => name);
    expect(required.length).toBeGreaterThan(4);
    expect(required.filter((name) => !settings.has(name))).toEqual([]);
  });

  test('the app’s own parser has nothing to say against them', () => {
    const answer = readSettings(asAzureFillsIn(settings));
    expect(answer.kind === 'problems' ? answer.problems : []).toEqual([]);
  });

  test('no setting is a secret', () => {
    const secrets = settingsTable.filter((row) => row.secret === true).map(({ name }) => name);
    expect(secrets.length).toBeGreaterThan(1);
    expect(secrets.filter((name) => settings.has(name))).toEqual([]);
    for (const [name, value] of settings) {
      expect([name, /listKeys|listSecrets|AccountKey=|SharedAccess|sig=/i.test(value)]).toEqual([
        name,
        false,
      ]);
    }
  });

  test('no setting that Flex refuses or the platform sets itself', () => {
    const refused =
      /^(FUNCTIONS_(WORKER_RUNTIME|EXTENSION_VERSION|WORKER_PROCESS_COUNT)|WEBSITE_(RUN_FROM_PACKAGE|NODE_DEFAULT_VERSION|CONTENT.*|TIME_ZONE|MAX_DYNAMIC.*|AUTH_ENABLED)|SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD|TZ)$/;
    expect([...settings.keys()].filter((name) => refused.test(name))).toEqual([]);
  });

  test('host and app reach the store by the same identity', () => {
    const uris = {
      AzureWebJobsStorage: ['blob', 'table'],
      MailStore: ['blob', 'queue', 'table'],
    };
    const accounts = { AzureWebJobsStorage: 'hostStorage', MailStore: 'storage' };
    for (const connection of ['AzureWebJobsStorage', 'MailStore'] as const) {
      expect(settings.get(`${connection}__credential`)).toBe('managedidentity');
      expect(settings.get(`${connection}__clientId`)).toContain('.outputs.clientId.value');
      for (const service of uris[connection]) {
        expect(settings.get(`${connection}__${service}ServiceUri`)).toMatch(
          new RegExp(`'${accounts[connection]}-\\{0\\}'.*\\.outputs\\.${service}Endpoint\\.value`),
        );
      }
    }
  });

  test('writes its log with that identity', () => {
    expect(settings.get('APPLICATIONINSIGHTS_AUTHENTICATION_STRING')).toMatch(
      /Authorization=AAD;ClientId=\{0\}.*outputs\.clientId\.value/,
    );
  });

  test('finds the sign-in of its own tenant', () => {
    expect(settings.get('OAUTH_AUTHORIZE_ENDPOINT')).toContain('/oauth2/v2.0/authorize');
    expect(settings.get('OAUTH_AUTHORIZE_ENDPOINT')).toContain(tenantId);
  });

  test('the platform’s sign-in is of the own tenant', () => {
    expect(
      detail(
        only(prediction, 'Microsoft.Web/sites/config'),
        ...['properties', 'identityProviders', 'azureActiveDirectory', 'registration', 'openIdIssuer'],
      ),
    ).toContain(tenantId);
  });
});

test('prod keeps sendMail warm, dev nothing', () => {
  const warm = (prediction: Prediction): unknown =>
    at(
      only(prediction, 'Microsoft.Web/sites'),
      'properties',
      'functionAppConfig',
      'scaleAndConcurrency',
      'alwaysReady',
    );
  expect(warm(prod)).toEqual([{ name: 'function:sendMail', instanceCount: 1 }]);
  expect(warm(dev)).toEqual([]);
});

/** The settings as the app will find them: expressions of what only Azure knows are given plausible values. */
function asAzureFillsIn(settings: ReadonlyMap<string, string>): Record<string, string> {
  const values: readonly (readonly [RegExp, string])[] = [
    [/outputs\.clientId\.value|'outputs', 'clientId', 'value'/, '44444444-4444-4444-8444-444444444444'],
    [/outputs\.(blob|queue|table)Endpoint\.value/, 'https://stx.blob.core.windows.net/'],
    [/outputs\.uri\.value/, 'https://kv-x.vault.azure.net/'],
    [
      /environment\(\)\.authentication\.loginEndpoint/,
      `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/authorize`,
    ],
  ];
  const filled = [...settings].map(([name, value]): readonly [string, string] => {
    const match =
      value.startsWith('[') && !value.startsWith('[{')
        ? values.find(([form]) => form.test(value))
        : undefined;
    return [name, match?.[1] ?? value];
  });
  return Object.fromEntries(filled);
}

test('a mailbox comes out as it was written, and as the app reads it', () => {
  const written: unknown = JSON.parse(appSettings(prod).get('MAILBOXES') ?? '');
  expect(at(written, 1)).toEqual({
    address: 'hr@contoso.example',
    signIn: 'delegated',
    smtpUser: 'mail.delegate@contoso.example',
    send: true,
    receive: false,
    limits: { messagesPerMinute: 20, recipientsPerDay: 6500, connections: 2 },
  });
  const answer = readSettings(asAzureFillsIn(appSettings(prod)));
  expect(answer.kind === 'ok' ? answer.settings.mailboxes : []).toMatchObject([
    {
      address: 'servicedesk@contoso.example',
      signIn: 'application',
      afterFetch: { kind: 'move', folder: 'Processed' },
    },
    {
      address: 'hr@contoso.example',
      smtpUser: 'mail.delegate@contoso.example',
      receive: false,
      folder: 'INBOX',
    },
  ]);
});

test('a mailbox of a parameter file may have every field that the app knows, and no other', async () => {
  const definitions = record(at(await bench.compile('main.bicep'), 'definitions'));
  const mailboxType = Object.entries(definitions).find(([name]) => /(?:^|\.)mailbox$/.test(name))?.[1];
  expect(Object.keys(record(at(mailboxType, 'properties'))).toSorted()).toEqual(
    Object.keys(mailboxFields).toSorted(),
  );
});

test('a hundred mailboxes are spread over the settings that the app continues with', async () => {
  const path = join(bench.folder, 'many.bicepparam');
  const mailboxes = Array.from(
    { length: 100 },
    (_, index) => `  { address: 'desk${String(index)}@contoso.example', signIn: 'application' }\n`,
  );
  writeFileSync(
    path,
    `using 'main.bicep'\n\nparam name = 'many'\nparam network = 'public'\nparam mailboxes = [\n${mailboxes.join('')}]\n`,
  );
  const settings = appSettings(await bench.predict('many.bicepparam', 'rg-many'));
  rmSync(path);
  expect(mailboxSettings.map((name) => (settings.get(name) ?? '').length < 10_000)).toEqual([
    ...mailboxSettings.map(() => true),
  ]);
  const answer = readSettings(asAzureFillsIn(settings));
  expect(answer.kind === 'ok' ? answer.settings.mailboxes.length : answer.problems).toBe(100);
});

test.each([
  ['WEBSITE_AUTH_ENABLED', 'True'],
  ['OAUTH_CLIENT_SECRET', 'x'],
])('the parameter "settings" can’t smuggle in %s', async (name, value) => {
  const path = join(bench.folder, 'smuggler.bicepparam');
  const mailbox = `{ address: 'desk@contoso.example', signIn: 'application' }`;
  writeFileSync(
    path,
    `using 'main.bicep'\n\nparam name = 'smuggler'\nparam network = 'public'\nparam mailboxes = [${mailbox}]\nparam settings = { ${name}: '${value}' }\n`,
  );
  try {
    await expect(bench.predict('smuggler.bicepparam', 'rg-x')).rejects.toThrow(`must not hold ${name}`);
  } finally {
    rmSync(path);
  }
});

// ---- who may do what: the whole list, per principal and scope ----------------------------------------------

interface Assignment {
  readonly who: string;
  readonly role: string;
  readonly on: string;
}

const roleNames: Readonly<Record<string, string>> = {
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b': 'Storage Blob Data Owner',
  'ba92f5b4-2d11-453d-a403-e96b0029c9fe': 'Storage Blob Data Contributor',
  '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1': 'Storage Blob Data Reader',
  'db58b8e5-c6ad-4a2a-8342-4190687cbf4a': 'Storage Blob Delegator',
  '974c5e8b-45b9-4653-ba55-5f855dd0fb88': 'Storage Queue Data Contributor',
  '19e7f393-937e-4f77-808e-94535e297925': 'Storage Queue Data Reader',
  '8a0f0c08-91a1-4084-bc3d-661d67233fed': 'Storage Queue Data Message Processor',
  'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a': 'Storage Queue Data Message Sender',
  '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3': 'Storage Table Data Contributor',
  'b86a8fe4-44ce-4948-aee5-eccb2c155cd7': 'Key Vault Secrets Officer',
  '3913510d-42f4-4e42-8a64-420c390055eb': 'Monitoring Metrics Publisher',
  '73c42c96-874c-492b-b04d-ab87d138a893': 'Log Analytics Reader',
};

function assignments(prediction: Prediction): readonly Assignment[] {
  return every(prediction, 'Microsoft.Authorization/roleAssignments').map((assignment) => {
    const principal = detail(assignment, 'properties', 'principalId');
    const definition = detail(assignment, 'properties', 'roleDefinitionId');
    const id = detail(assignment, 'id');
    const scope =
      /^\[extensionResourceId\('([^']+)', 'Microsoft\.Authorization\/roleAssignments'/.exec(id) ??
      /^(\/.*)\/providers\/Microsoft\.Authorization\/roleAssignments\//.exec(id);
    const role = definition.split('/').at(-1) ?? '';
    const ofApp = /format\('identity-\{0\}'.*\.outputs\.principalId\.value\]$/.test(principal);
    const ofAlerts = /format\('alertsIdentity-\{0\}'.*\.outputs\.principalId\.value\]$/.test(principal);
    return {
      who:
        principal === sender
          ? 'sender'
          : principal === consumer
            ? 'consumer'
            : ofApp
              ? 'app'
              : ofAlerts
                ? 'alerts'
                : principal,
      role: roleNames[role] ?? role,
      on: (scope?.[1] ?? id).replace(/^.*\/providers\/[^/]+\//, '').replace(/\/default\b/, ''),
    };
  });
}

const always = ({ mail, host, vault, component, workspace }: Names): readonly Assignment[] => [
  { who: 'app', role: 'Storage Blob Data Owner', on: `storageAccounts/${host}` },
  { who: 'app', role: 'Storage Table Data Contributor', on: `storageAccounts/${host}` },
  { who: 'app', role: 'Storage Blob Data Contributor', on: `storageAccounts/${mail}` },
  { who: 'app', role: 'Storage Blob Delegator', on: `storageAccounts/${mail}` },
  { who: 'app', role: 'Storage Queue Data Contributor', on: `storageAccounts/${mail}` },
  { who: 'app', role: 'Storage Table Data Contributor', on: `storageAccounts/${mail}` },
  { who: 'app', role: 'Key Vault Secrets Officer', on: `vaults/${vault}` },
  { who: 'app', role: 'Monitoring Metrics Publisher', on: `components/${component}` },
  { who: 'alerts', role: 'Log Analytics Reader', on: `workspaces/${workspace}` },
];

interface Names {
  readonly mail: string;
  readonly host: string;
  readonly vault: string;
  readonly component: string;
  readonly workspace: string;
}

const nameOf = (prediction: Prediction, type: string): string => detail(only(prediction, type), 'name');
const namesOf = (prediction: Prediction): Names => ({
  mail: detail(account(prediction, 'mail'), 'name'),
  host: detail(account(prediction, 'host'), 'name'),
  vault: nameOf(prediction, 'Microsoft.KeyVault/vaults'),
  component: nameOf(prediction, 'Microsoft.Insights/components'),
  workspace: nameOf(prediction, 'Microsoft.OperationalInsights/workspaces'),
});

describe('roles', () => {
  test.each([
    ['public', prod],
    ['private', closed],
  ])('prod, %s: exactly the list, per principal and scope', (_name, prediction) => {
    const { mail } = namesOf(prediction);
    const queue = (name: string): string => `storageAccounts/${mail}/queueServices/queues/${name}`;
    const container = (name: string): string => `storageAccounts/${mail}/blobServices/containers/${name}`;
    const expected: readonly Assignment[] = [
      ...always(namesOf(prediction)),
      { who: 'sender', role: 'Storage Queue Data Message Sender', on: queue(queueNames.outboundMail) },
      { who: 'sender', role: 'Storage Blob Data Contributor', on: container(containerNames.outboundUploads) },
      { who: 'consumer', role: 'Storage Queue Data Reader', on: queue(queueNames.inboundMail) },
      { who: 'consumer', role: 'Storage Queue Data Reader', on: queue(queueNames.mailStatus) },
      { who: 'consumer', role: 'Storage Queue Data Message Processor', on: queue(queueNames.inboundMail) },
      { who: 'consumer', role: 'Storage Queue Data Message Processor', on: queue(queueNames.mailStatus) },
      { who: 'consumer', role: 'Storage Blob Data Reader', on: container(containerNames.inboundContent) },
      { who: 'consumer', role: 'Storage Blob Data Reader', on: container(containerNames.outboundContent) },
    ];
    const sorted = (all: readonly Assignment[]): readonly string[] =>
      all.map((one) => `${one.who} · ${one.role} · ${one.on}`).toSorted();
    expect(sorted(assignments(prediction))).toEqual(sorted(expected));
  });

  test.each([
    ['dev', dev],
    ['azd', azd],
  ])('%s: the app’s, the alerts’ and nobody else’s', (_name, prediction) => {
    expect(new Set(assignments(prediction))).toEqual(new Set(always(namesOf(prediction))));
  });

  test('each says that it is a service principal’s, so a fresh one is not looked for as a user', () => {
    const types = every(prod, 'Microsoft.Authorization/roleAssignments').map((one) =>
      at(one, 'properties', 'principalType'),
    );
    expect(new Set(types)).toEqual(new Set(['ServicePrincipal']));
  });
});

// ---- two deployments ---------------------------------------------------------------------------------------

describe('two deployments never meet', () => {
  const sameNames = (one: Prediction, other: Prediction): readonly string[] => {
    const worldwide = ({ mail, host, vault }: Names, prediction: Prediction): readonly string[] => [
      ...[mail, host, vault],
      nameOf(prediction, 'Microsoft.Web/sites'),
    ];
    const others = worldwide(namesOf(other), other);
    return worldwide(namesOf(one), one).filter((name) => others.includes(name));
  };

  test('dev and prod share no name', () => {
    expect(sameNames(dev, prod)).toEqual([]);
  });

  test('the same parameters in another resource group share no name', async () => {
    expect(sameNames(dev, await bench.predict('dev.bicepparam', 'rg-elsewhere'))).toEqual([]);
  });

  test('the same parameters again are the same deployment', async () => {
    const names = (prediction: Prediction): readonly string[] => prediction.resources.map((one) => one.name);
    expect(names(await bench.predict('dev.bicepparam', 'rg-mail-dev'))).toEqual(names(dev));
  });

  test('all of it lies in the one resource group', () => {
    const elsewhere = prod.resources.filter(
      (one) =>
        one.id.startsWith('/') &&
        !one.id.startsWith(`/subscriptions/${subscriptionId}/resourceGroups/rg-mail-prod/`),
    );
    expect(elsewhere.map((one) => one.id)).toEqual([]);
  });

  test('names fit: account and vault at most 24 characters, the host’s id in the app’s first 32', () => {
    for (const [, prediction] of deployments) {
      expect(namesOf(prediction).mail).toMatch(/^[a-z0-9]{3,24}$/);
      expect(namesOf(prediction).host).toMatch(/^[a-z0-9]{3,24}$/);
      expect(nameOf(prediction, 'Microsoft.KeyVault/vaults')).toMatch(/^[a-z][a-z0-9-]{1,22}[a-z0-9]$/);
      expect(nameOf(prediction, 'Microsoft.Web/sites')).toMatch(/^[a-z0-9-]{2,60}$/);
    }
  });
});

// ---- alerts ------------------------------------------------------------------------------------------------

test('alerts: one for each stop of mail, on', () => {
  const rules = every(prod, 'Microsoft.Insights/scheduledQueryRules');
  expect(rules.length).toBeGreaterThanOrEqual(8);
  expect(new Set(rules.map((rule) => at(rule, 'properties', 'enabled')))).toEqual(new Set([true]));
});

test('cost.md counts the alerts', () => {
  const page = readFileSync(join(root, 'docs', 'cost.md'), 'utf8');
  const count = every(prod, 'Microsoft.Insights/scheduledQueryRules').length;
  expect(page).toContain(`| ${String(count)} alert rules, `);
  expect(page).toContain(`| ${String(count)} × $1.50 = $${String(count * 1.5)} `);
});

test('a deployment that fetches nothing has no alert on silence', async () => {
  const path = join(bench.folder, 'sender.bicepparam');
  const mailbox = `{ address: 'desk@contoso.example', signIn: 'application', receive: false }`;
  writeFileSync(
    path,
    `using 'main.bicep'\n\nparam name = 'sender'\nparam network = 'public'\nparam mailboxes = [${mailbox}]\n`,
  );
  const names = (prediction: Prediction): readonly string[] =>
    lastParts(prediction, 'Microsoft.Insights/scheduledQueryRules').map((name) => name.replace(/^.*-/, ''));
  const without = names(await bench.predict('sender.bicepparam', 'rg-x'));
  rmSync(path);
  expect(names(dev)).toContain('fetchStopped');
  expect(without).toEqual(names(dev).filter((name) => name !== 'fetchStopped'));
});

test('prod tells somebody', () => {
  const told = list(only(prod, 'Microsoft.Insights/actionGroups'), 'properties', 'emailReceivers');
  expect(told.map((one) => at(one, 'emailAddress'))).toEqual(['servicedesk-admins@contoso.example']);
});

test('the workbook is JSON with a title over each panel', () => {
  const content: unknown = JSON.parse(
    detail(only(prod, 'Microsoft.Insights/workbooks'), 'properties', 'serializedData'),
  );
  const panels = list(content, 'items').filter((item) => at(item, 'type') === 3);
  expect(panels.length).toBeGreaterThanOrEqual(7);
  expect(panels.every((panel) => detail(panel, 'content', 'title').length > 5)).toBe(true);
});
