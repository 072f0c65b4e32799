// Mistakes planted in a copy of infra/, one at a time: the compiler or a rule must name each. Where one is not named,
// a rule is missing or blind.
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { layOut, withExamples, withIntake } from './bench.ts';
import { refusedSiteConfig } from './flexSite.ts';
import { complaintsAbout } from './rules.ts';

// The compiler is another process, and the machine may be busy.
jest.setTimeout(120_000);

const bench = layOut();
afterAll(() => {
  bench.remove();
});

interface Mistake {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** What must be said about it. */
  readonly named: string;
  /** The parameter file that it is planted for. */
  readonly form?: 'public' | 'private' | 'withIntake';
}

/** Everything that is said of the copy as it is now: by the compiler if it does not compile, else by the rules. */
async function said(form: 'public' | 'private' | 'withIntake'): Promise<string> {
  const network = form === 'private' ? 'private' : 'public';
  const edit = form === 'withIntake' ? withIntake : withExamples;
  try {
    const prediction = await bench.predict(`prod.${network}.bicepparam`, 'rg-mail-prod', edit);
    return complaintsAbout({ prediction, network }).join('\n');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function plant({ file, from, to, form = 'public' }: Mistake): Promise<string> {
  const path = join(bench.folder, file);
  const sound = readFileSync(path, 'utf8');
  if (!sound.includes(from)) throw new Error(`${file} has no "${from}" to replace`);
  writeFileSync(path, sound.replace(from, to));
  try {
    return await said(form);
  } finally {
    writeFileSync(path, sound);
  }
}

test.each(['public', 'private', 'withIntake'] as const)(
  'nothing is said of infra/ as it is (%s)',
  async (form) => {
    expect(await said(form)).toBe('');
  },
);

const values: Readonly<Record<string, string>> = {
  ftpsState: `'Disabled'`,
  linuxFxVersion: `'Node|24'`,
  windowsFxVersion: `''`,
  netFrameworkVersion: `'v4.0'`,
  nodeVersion: `'24'`,
  healthCheckPath: `'/api/health'`,
  use32BitWorkerProcess: 'false',
  functionsRuntimeScaleMonitoringEnabled: 'false',
  alwaysOn: 'false',
};

describe('a property that Flex Consumption refuses', () => {
  // All of them at once: each has a complaint of its own.
  const refused = Object.keys(refusedSiteConfig);
  let complaints: string;
  beforeAll(async () => {
    complaints = await plant({
      file: 'modules/app.bicep',
      from: `minTlsVersion: '1.2'`,
      to: [...refused.map((name) => `${name}: ${values[name] ?? '1'}`), `minTlsVersion: '1.2'`].join(
        '\n      ',
      ),
      named: '',
    });
  });

  test.each(refused)('siteConfig.%s', (name) => {
    expect(complaints).toContain(`siteConfig.${name} is refused`);
  });

  test('one that nobody is known to send', async () => {
    const mistake: Mistake = {
      file: 'modules/app.bicep',
      from: 'httpsOnly: true',
      to: 'httpsOnly: true\n    clientAffinityEnabled: false',
      named: 'clientAffinityEnabled is not known to be taken',
    };
    expect(await plant(mistake)).toContain(mistake.named);
  });
});

const app = 'modules/app.bicep';
const storage = 'modules/storage.bicep';
const intake = 'modules/intake.bicep';

const mistakes: readonly Mistake[] = [
  // The store and the vault.
  {
    file: storage,
    from: 'allowSharedKeyAccess: false',
    to: 'allowSharedKeyAccess: true',
    named: 'the mail account: properties.allowSharedKeyAccess',
  },
  {
    file: storage,
    from: 'allowBlobPublicAccess: false',
    to: 'allowBlobPublicAccess: true',
    named: 'the host account: properties.allowBlobPublicAccess',
  },
  {
    file: storage,
    from: "publicAccess: 'None'",
    to: "publicAccess: 'Blob'",
    named: 'properties.publicAccess must be "None"',
  },
  {
    file: storage,
    from: 'isVersioningEnabled: false',
    to: 'isVersioningEnabled: true',
    named: 'properties.isVersioningEnabled',
  },
  {
    file: storage,
    from: 'days: max(1, softDeleteDays)',
    to: 'days: 14',
    named: 'erased mail must be gone after 7 days at most',
  },
  {
    file: 'prod.public.bicepparam',
    from: 'param storageSku',
    to: 'param softDeleteDays = 8\nparam storageSku',
    named: '7',
  },
  {
    file: storage,
    from: "? { bypass: 'None', defaultAction: 'Deny' }",
    to: "? { bypass: 'None', defaultAction: 'Allow' }",
    named: 'properties.networkAcls.defaultAction must be "Deny"',
    form: 'private',
  },
  {
    file: storage,
    from: "isPrivate ? 'Disabled' : 'Enabled'",
    to: "'Enabled'",
    named: 'the mail account: properties.publicNetworkAccess must be "Disabled"',
    form: 'private',
  },
  {
    file: storage,
    from: ": { bypass: 'AzureServices', defaultAction: 'Allow' }",
    to: ": { bypass: 'AzureServices', defaultAction: 'Deny', ipRules: [{ value: '203.0.113.0/24' }] }",
    named: 'properties.networkAcls.ipRules must be absent',
  },
  {
    file: storage,
    from: "['StorageRead', 'StorageWrite', 'StorageDelete']",
    to: "['StorageWrite', 'StorageDelete']",
    named: 'StorageRead of contents must be in the log',
  },
  {
    file: 'modules/vault.bicep',
    from: 'enableRbacAuthorization: true',
    to: 'enableRbacAuthorization: false',
    named: 'properties.enableRbacAuthorization',
  },
  {
    file: 'modules/vault.bicep',
    from: "category: 'AuditEvent', enabled: true",
    to: "category: 'AuditEvent', enabled: false",
    named: 'every access must be in the log',
  },
  {
    file: 'modules/vault.bicep',
    from: "isPrivate ? 'Disabled' : 'Enabled'",
    to: "'Enabled'",
    named: 'the vault kv-',
    form: 'private',
  },
  // The exports.
  {
    file: storage,
    from: 'daysAfterModificationGreaterThan: lifetime.days',
    to: 'daysAfterModificationGreaterThan: 70',
    named: 'the exports: each is deleted after a week',
  },
  {
    file: storage,
    from: 'prefixMatch: [lifetime.prefix]',
    to: "prefixMatch: ['']",
    named: 'the exports: each is deleted after a week',
  },
  {
    file: 'main.bicep',
    from: '[packageContainerName, exportContainerName]',
    to: '[packageContainerName]',
    named: 'the exports: they belong into the host account',
  },
  // The app.
  { file: app, from: 'httpsOnly: true', to: 'httpsOnly: false', named: 'the app: properties.httpsOnly' },
  { file: app, from: "scmMinTlsVersion: '1.2'", to: "scmMinTlsVersion: '1.0'", named: 'scmMinTlsVersion' },
  {
    file: app,
    from: "publicNetworkAccess: 'Enabled'",
    to: "publicNetworkAccess: 'Disabled'",
    named: 'the app: properties.publicNetworkAccess',
  },
  {
    file: app,
    from: "name: 'scm'\n    properties: { allow: false }",
    to: "name: 'scm'\n    properties: { allow: true }",
    named: 'publishing (scm): properties.allow',
  },
  {
    file: app,
    from: "value: '${hostBlobEndpoint}",
    to: "value: '${blobEndpoint}",
    named: 'the package belongs into the host account',
  },
  {
    file: app,
    from: "ipAddress: 'ApplicationInsightsAvailability'",
    to: "ipAddress: 'AzureCloud'",
    named: 'the availability test must be among the allowed callers',
  },
  {
    file: app,
    from: "ipSecurityRestrictionsDefaultAction: 'Deny'",
    to: "ipSecurityRestrictionsDefaultAction: 'Allow'",
    named: 'ipSecurityRestrictionsDefaultAction must be "Deny"',
  },
  {
    file: app,
    from: 'virtualNetworkSubnetId: empty(subnetId) ? null : subnetId',
    to: "virtualNetworkSubnetId: subnetId == 'x' ? subnetId : null",
    named: 'the app: it is in the network in the private form',
    form: 'private',
  },
  {
    file: app,
    from: 'allowedAudiences: [entraClientId]',
    to: "allowedAudiences: [entraClientId, '']",
    named: 'not go out with an empty client id',
  },
  {
    file: app,
    from: 'tokenStore: { enabled: false }',
    to: 'tokenStore: { enabled: true }',
    named: 'login.tokenStore.enabled',
  },
  {
    file: 'prod.public.bicepparam',
    from: "param storageSku = 'Standard_ZRS'",
    to: "param storageSku = 'Standard_LRS'\nparam zoneRedundant = true",
    named: 'The parameter "zoneRedundant" needs storageSku',
  },
  {
    file: 'prod.public.bicepparam',
    from: "param network = 'public'",
    to: "param network = 'public'\nparam fixedOutgoingAddress = true",
    named: 'The parameter "fixedOutgoingAddress" needs network',
  },
  { file: 'prod.public.bicepparam', from: "param network = 'public'", to: '', named: 'network' },
  {
    file: 'main.bicep',
    from: 'output connectUrl string =',
    to: 'output storageKey string = hostStorageName\noutput connectUrl string =',
    named: 'the output storageKey looks like a secret',
  },
  // Log, alerts and the availability test.
  {
    file: 'modules/monitoring.bicep',
    from: 'DisableLocalAuth: true',
    to: 'DisableLocalAuth: false',
    named: 'the log: properties.DisableLocalAuth',
  },
  {
    file: 'main.bicep',
    from: 'param logDailyCapGigabytes int = 0',
    to: 'param logDailyCapGigabytes int = 1',
    named: 'a daily cap blinds the alerts',
  },
  {
    file: 'main.bicep',
    from: 'identityId: alertsIdentity.outputs.id',
    to: 'identityId: identity.outputs.id',
    named: "it must run under the alerts' own identity",
  },
  {
    file: 'modules/alerts.bicep',
    from: "    identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }\n",
    to: "    identity: { type: identityId == '' ? 'UserAssigned' : 'None' }\n",
    named: 'identity.type must be "UserAssigned"',
  },
  {
    file: 'modules/alerts.bicep',
    from: 'severity: 3',
    to: 'severity: 4',
    named: 'severity must be 1, 2 or 3',
  },
  {
    file: 'modules/alerts.bicep',
    from: 'actionGroups: [told.id]',
    to: 'actionGroups: []',
    named: 'it tells nobody',
  },
  {
    file: 'modules/availability.bicep',
    from: "/api/health'",
    to: "/api/healthz'",
    named: 'Request.RequestUrl',
  },
  {
    file: 'modules/availability.bicep',
    from: 'failedLocationCount: 3',
    to: 'failedLocationCount: 5',
    named: 'more than half of the places must fail',
  },
  // The private form.
  {
    file: 'modules/endpoints.bicep',
    from: "  { name: 'mail-queue', id: mailStorageId, group: 'queue' }\n",
    to: '',
    named: 'no private endpoint for storage queue',
    form: 'private',
  },
  {
    file: 'modules/endpoints.bicep',
    from: "{ name: 'host-blob', id: hostStorageId, group: 'blob' }",
    to: "{ name: 'host-blob', id: mailStorageId, group: 'blob' }",
    named: 'no private endpoint for hostStorage blob',
    form: 'private',
  },
  {
    file: 'modules/network.bicep',
    from: "serviceName: 'Microsoft.App/environments'",
    to: "serviceName: 'Microsoft.Web/serverFarms'",
    named: 'must be delegated to Microsoft.App/environments',
    form: 'private',
  },
  {
    file: 'modules/network.bicep',
    from: '          networkSecurityGroup: { id: group.id }\n',
    to: '',
    named: 'has no security group',
    form: 'private',
  },
  // Entra.
  {
    file: 'entra.bicep',
    from: 'requestedAccessTokenVersion: 2',
    to: 'requestedAccessTokenVersion: 1',
    named: 'requestedAccessTokenVersion',
  },
  {
    file: 'entra.bicep',
    from: "allowedMemberTypes: ['User', 'Application']",
    to: "allowedMemberTypes: ['User', 'App']",
    named: 'allowedMemberTypes',
  },
  {
    file: 'entra.bicep',
    from: "identifierUris: ['api://${hostName}']",
    to: "identifierUris: ['https://${hostName}']",
    named: 'identifierUris',
  },
  {
    file: 'entra.bicep',
    from: '{ appId: azureCliAppId, delegatedPermissionIds: [scopeId] }',
    to: '{ appId: azureCliAppId, delegatedPermissionIds: [] }',
    named: 'preAuthorizedApplications',
  },
  {
    file: 'entra.bicep',
    from: 'guid(uniqueName, value, string(generation))',
    to: 'guid(uniqueName, string(generation))',
    named: 'needs an id of its own',
  },
  { file: 'entra.bicep', from: "'idtyp'", to: "'idtype'", named: 'optionalClaims' },
  {
    file: 'entra.bicep',
    from: '  web: {\n',
    to: "  spa: { redirectUris: ['https://${hostName}/'] }\n  web: {\n",
    named: 'properties.spa must be absent',
  },
  // The intake.
  {
    file: intake,
    from: 'maxReplicas: 1',
    to: 'maxReplicas: 2',
    named: 'properties.template.scale',
    form: 'withIntake',
  },
  {
    file: intake,
    from: "transport: 'tcp'",
    to: "transport: 'http'",
    named: 'ingress.transport',
    form: 'withIntake',
  },
  {
    file: intake,
    from: 'var smtpPort = 587',
    to: 'var smtpPort = 25',
    named: 'ingress.exposedPort',
    form: 'withIntake',
  },
  {
    file: intake,
    from: "enabledProtocols: 'NFS', rootSquash: 'NoRootSquash'",
    to: "enabledProtocols: 'SMB'",
    named: 'the spool: properties.enabledProtocols',
    form: 'withIntake',
  },
  {
    file: intake,
    from: "          name: 'allowed-${index + 1}'\n          action: 'Allow'",
    to: "          name: 'allowed-${index + 1}'\n          action: 'Deny'",
    named: 'only the addresses that are listed may connect',
    form: 'withIntake',
  },
];

describe('a mistake', () => {
  test.each(
    mistakes.map((mistake): readonly [string, Mistake] => [
      `${mistake.file}: ${mistake.to.trim() === '' ? `without ${mistake.from.trim()}` : mistake.to.trim()}`,
      mistake,
    ]),
  )('%s', async (_title, mistake) => {
    expect(await plant(mistake)).toContain(mistake.named);
  });
});
