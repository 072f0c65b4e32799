// What a deployment must be, whatever its parameters: each rule looks at a prediction and complains in a sentence that
// names the resource. The tests ask for no complaint about the shipped parameter files, and for the right one about
// each mistake that is planted in a copy of infra/.
import { every, only, tenantId, type Prediction } from './bench.ts';
import { flexComplaints } from './flexSite.ts';
import { at, detail, list } from './json.ts';
import { exportContainerName } from '../../shared/storage/names.ts';

export interface Deployment {
  readonly prediction: Prediction;
  readonly network: 'public' | 'private';
}

type Rule = (deployment: Deployment) => readonly string[];

/** Everything that is wrong with a deployment; empty where nothing is. */
export const complaintsAbout = (deployment: Deployment): readonly string[] =>
  rules.flatMap((rule) => rule(deployment));

/** The mail's storage account, the host's, and the intake's spool if there is one, by what their names begin with. */
export function account(prediction: Prediction, which: 'mail' | 'host' | 'spool'): unknown {
  const form = { mail: /^st[a-z0-9]{13}$/, host: /^sth[a-z0-9]{13}$/, spool: /^sti[a-z0-9]{13}$/ }[which];
  return every(prediction, 'Microsoft.Storage/storageAccounts').find((one) => form.test(detail(one, 'name')));
}

/** Complaints of the properties that are not as expected, with their paths. */
function unlike(
  name: string,
  resource: unknown,
  expected: Readonly<Record<string, unknown>>,
): readonly string[] {
  return Object.entries(expected)
    .filter(([path, value]) => JSON.stringify(at(resource, ...path.split('.'))) !== JSON.stringify(value))
    .map(
      ([path, value]) => `${name}: ${path} must be ${value === undefined ? 'absent' : JSON.stringify(value)}`,
    );
}

const accounts: Rule = ({ prediction, network }) =>
  (['mail', 'host'] as const).flatMap((which) =>
    unlike(`the ${which} account`, account(prediction, which), {
      'properties.allowSharedKeyAccess': false,
      'properties.allowBlobPublicAccess': false,
      'properties.allowCrossTenantReplication': false,
      'properties.defaultToOAuthAuthentication': true,
      'properties.minimumTlsVersion': 'TLS1_2',
      'properties.supportsHttpsTrafficOnly': true,
      'properties.publicNetworkAccess': network === 'private' ? 'Disabled' : 'Enabled',
      // In the public form address rules would lock the app out, which has no fixed address.
      'properties.networkAcls.defaultAction': network === 'private' ? 'Deny' : 'Allow',
      'properties.networkAcls.ipRules': undefined,
    }),
  );

const contents: Rule = ({ prediction }) => [
  ...every(prediction, 'Microsoft.Storage/storageAccounts/blobServices/containers').flatMap((one) =>
    unlike(`the container ${detail(one, 'name')}`, one, { 'properties.publicAccess': 'None' }),
  ),
  ...every(prediction, 'Microsoft.Storage/storageAccounts/blobServices').flatMap((one) => {
    const name = `the blobs of ${detail(one, 'name')}`;
    const days = ['deleteRetentionPolicy', 'containerDeleteRetentionPolicy'].map((policy) =>
      Number(at(one, 'properties', policy, 'days') ?? 0),
    );
    return [
      ...unlike(name, one, { 'properties.isVersioningEnabled': false }),
      ...(days.some((count) => count > 7) ? [`${name}: erased mail must be gone after 7 days at most`] : []),
      ...(at(one, 'properties', 'restorePolicy') === undefined ? [] : [`${name}: no point-in-time restore`]),
    ];
  }),
];

const vaults: Rule = ({ prediction, network }) =>
  every(prediction, 'Microsoft.KeyVault/vaults').flatMap((vault) => {
    const name = `the vault ${detail(vault, 'name')}`;
    const closed = network === 'private' && detail(vault, 'name').startsWith('kv-');
    return unlike(name, vault, {
      'properties.enableRbacAuthorization': true,
      'properties.enableSoftDelete': true,
      'properties.softDeleteRetentionInDays': 90,
      'properties.tenantId': tenantId,
      'properties.accessPolicies': undefined,
      'properties.publicNetworkAccess': closed ? 'Disabled' : 'Enabled',
    });
  });

/** What keeps a record of reading: every vault, and the contents of the mail's account. */
const audits: Rule = ({ prediction }) => {
  const audited = every(prediction, 'Microsoft.Insights/diagnosticSettings').map((one) => ({
    on: detail(one, 'id')
      .replace(/\/providers\/Microsoft\.Insights\/diagnosticSettings\/.*$/, '')
      .toLowerCase(),
    categories: list(one, 'properties', 'logs').map(
      (log) => at(log, 'enabled') === true && at(log, 'category'),
    ),
  }));
  const has = (end: string, category: string): boolean =>
    audited.some(({ on, categories }) => on.endsWith(end.toLowerCase()) && categories.includes(category));
  const mail = detail(account(prediction, 'mail'), 'name');
  return [
    ...every(prediction, 'Microsoft.KeyVault/vaults')
      .map((vault) => detail(vault, 'name'))
      .filter((name) => !has(`/vaults/${name}`, 'AuditEvent'))
      .map((name) => `the vault ${name}: every access must be in the log`),
    ...['StorageRead', 'StorageWrite', 'StorageDelete']
      .filter((category) => !has(`/storageAccounts/${mail}/blobServices/default`, category))
      .map((category) => `the mail account: ${category} of contents must be in the log`),
  ];
};

/** Exports lie in another account than the outbox, and for a week. */
const exportsForAWeek: Rule = ({ prediction }) => {
  const containers = every(prediction, 'Microsoft.Storage/storageAccounts/blobServices/containers')
    .map((one) => detail(one, 'name'))
    .filter((name) => name.endsWith(`/${exportContainerName}`));
  const policies = every(prediction, 'Microsoft.Storage/storageAccounts/managementPolicies');
  const account = containers[0]?.split('/')[0] ?? '';
  const rules = policies.flatMap((one) =>
    detail(one, 'name') === `${account}/default` ? list(one, 'properties', 'policy', 'rules') : [],
  );
  const week = rules.some(
    (rule) =>
      at(rule, 'enabled') === true &&
      at(rule, 'definition', 'filters', 'prefixMatch', 0) === `${exportContainerName}/` &&
      at(rule, 'definition', 'actions', 'baseBlob', 'delete', 'daysAfterModificationGreaterThan') === 7,
  );
  return [
    ...(containers.length === 1 && account.startsWith('sth')
      ? []
      : ['the exports: they belong into the host account']),
    ...(week ? [] : ['the exports: each is deleted after a week']),
    ...(rules.every((rule) => at(rule, 'definition', 'filters', 'prefixMatch') !== undefined)
      ? []
      : ['the exports: the rule is for their container alone']),
  ];
};

const site: Rule = ({ prediction, network }) => {
  const app = only(prediction, 'Microsoft.Web/sites');
  const subnet = at(app, 'properties', 'virtualNetworkSubnetId');
  const given = at(app, 'properties', 'siteConfig', 'ipSecurityRestrictions');
  const restrictions = Array.isArray(given) ? given : [];
  const tags = restrictions.map((one: unknown) => at(one, 'ipAddress'));
  return [
    ...unlike('the app', app, {
      'identity.type': 'UserAssigned',
      'properties.httpsOnly': true,
      // Publishing to Flex Consumption behind a private endpoint has been seen to time out.
      'properties.publicNetworkAccess': 'Enabled',
      'properties.siteConfig.minTlsVersion': '1.2',
      'properties.siteConfig.scmMinTlsVersion': '1.2',
      'properties.functionAppConfig.runtime': { name: 'node', version: '24' },
      'properties.functionAppConfig.deployment.storage.authentication.type': 'UserAssignedIdentity',
      'properties.siteConfig.ipSecurityRestrictionsDefaultAction':
        restrictions.length > 0 ? 'Deny' : undefined,
    }),
    ...unlike('the plan', only(prediction, 'Microsoft.Web/serverfarms'), {
      sku: { name: 'FC1', tier: 'FlexConsumption' },
    }),
    ...(detail(app, 'properties', 'functionAppConfig', 'deployment', 'storage', 'value').includes(
      'hostStorage-',
    )
      ? []
      : ['the app: the package belongs into the host account']),
    ...((typeof subnet === 'string' && subnet.endsWith('/subnets/app')) === (network === 'private')
      ? []
      : ['the app: it is in the network in the private form, and only there']),
    ...(restrictions.length === 0 || tags.includes('ApplicationInsightsAvailability')
      ? []
      : ['the app: the availability test must be among the allowed callers']),
    ...every(prediction, 'Microsoft.Web/sites/basicPublishingCredentialsPolicies').flatMap((one) =>
      unlike(`publishing (${detail(one, 'name').split('/').at(-1) ?? ''})`, one, {
        'properties.allow': false,
      }),
    ),
    ...(every(prediction, 'Microsoft.Web/sites/basicPublishingCredentialsPolicies').length === 2
      ? []
      : ['publishing: passwords must be off for ftp and scm']),
  ];
};

const signIn: Rule = ({ prediction }) =>
  every(prediction, 'Microsoft.Web/sites/config').flatMap((one) => {
    const provider = at(one, 'properties', 'identityProviders', 'azureActiveDirectory');
    const audiences = list(provider, 'validation', 'allowedAudiences');
    return [
      ...unlike('the sign-in', one, {
        'properties.platform.enabled': true,
        'properties.globalValidation.unauthenticatedClientAction': 'AllowAnonymous',
        'properties.httpSettings.requireHttps': true,
        'properties.login.tokenStore.enabled': false,
      }),
      ...unlike('the sign-in', provider, {
        'registration.clientSecretSettingName': 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID',
      }),
      ...(audiences.includes('') || at(provider, 'registration', 'clientId') === ''
        ? ['the sign-in: it must be left out, not go out with an empty client id']
        : []),
    ];
  });

const noSecrets: Rule = ({ prediction }) => [
  ...(/listKeys|listSecrets|listAccountSas|listServiceSas|passwordCredentials|AccountKey=/i.test(
    prediction.text,
  )
    ? ['a key or secret of something is asked for']
    : []),
  ...Object.keys(prediction.outputs)
    .filter((name) => /secret|key|password|connection/i.test(name))
    .map((name) => `the output ${name} looks like a secret`),
];

const log: Rule = ({ prediction }) => [
  ...unlike('the log', only(prediction, 'Microsoft.Insights/components'), {
    'properties.DisableLocalAuth': true,
    'properties.IngestionMode': 'LogAnalytics',
    'properties.SamplingPercentage': undefined,
    'properties.RetentionInDays': undefined,
  }),
  ...(at(only(prediction, 'Microsoft.OperationalInsights/workspaces'), 'properties', 'workspaceCapping') ==
  null
    ? []
    : ['the log: a daily cap blinds the alerts']),
];

const alertRules: Rule = ({ prediction }) => [
  ...every(prediction, 'Microsoft.Insights/scheduledQueryRules').flatMap((rule) => {
    const name = `the alert ${detail(rule, 'name').split('-').at(-1) ?? ''}`;
    const severity = at(rule, 'properties', 'severity');
    return [
      ...unlike(name, rule, {
        'identity.type': 'UserAssigned',
        'properties.evaluationFrequency': 'PT5M',
        'properties.windowSize': 'PT15M',
        'properties.autoMitigate': true,
        'properties.skipQueryValidation': true,
      }),
      ...(JSON.stringify(at(rule, 'identity')).includes('alertsIdentity')
        ? []
        : [`${name}: it must run under the alerts' own identity`]),
      ...(severity === 1 || severity === 2 || severity === 3 ? [] : [`${name}: severity must be 1, 2 or 3`]),
      ...(list(rule, 'properties', 'actions', 'actionGroups').length === 1
        ? []
        : [`${name}: it tells nobody`]),
    ];
  }),
];

const availability: Rule = ({ prediction }) =>
  every(prediction, 'Microsoft.Insights/webtests').flatMap((test) => {
    const app = detail(only(prediction, 'Microsoft.Web/sites'), 'name');
    const alert = only(prediction, 'Microsoft.Insights/metricAlerts');
    const places = list(test, 'properties', 'Locations').length;
    const failed = Number(at(alert, 'properties', 'criteria', 'failedLocationCount'));
    return [
      ...unlike('the availability test', test, {
        kind: 'standard',
        'properties.Kind': 'standard',
        'properties.Request.RequestUrl': `https://${app}.azurewebsites.net/api/health`,
        'properties.ValidationRules.ExpectedHttpStatusCode': 200,
      }),
      ...(failed > places / 2 && failed < places
        ? []
        : ['the availability test: more than half of the places must fail, and not all, before it alerts']),
    ];
  });

const privateForm: Rule = ({ prediction, network }) => {
  const endpoints = every(prediction, 'Microsoft.Network/privateEndpoints').map((one) => {
    const connection = at(one, 'properties', 'privateLinkServiceConnections', 0);
    const to =
      /format\('(\w+)-\{0\}'/.exec(detail(connection, 'properties', 'privateLinkServiceId'))?.[1] ?? '';
    return `${to} ${String(at(connection, 'properties', 'groupIds', 0))}`;
  });
  if (network === 'public') {
    return prediction.resources.some(
      ({ type, name }) => type.startsWith('Microsoft.Network/') && !name.includes('intake'),
    )
      ? ['the network: there is none in the public form']
      : [];
  }
  const needed = [
    'storage blob',
    'storage queue',
    'storage table',
    'hostStorage blob',
    'hostStorage table',
    'vault vault',
  ];
  const zones = every(prediction, 'Microsoft.Network/privateDnsZones').length;
  const subnets = list(
    every(prediction, 'Microsoft.Network/virtualNetworks').find(
      (one) => !detail(one, 'name').includes('intake'),
    ),
    ...['properties', 'subnets'],
  );
  const delegated = subnets.filter(
    (one) =>
      at(one, 'properties', 'delegations', 0, 'properties', 'serviceName') === 'Microsoft.App/environments',
  );
  return [
    ...needed
      .filter((one) => !endpoints.includes(one))
      .map((one) => `the network: no private endpoint for ${one}`),
    ...endpoints
      .filter((one) => !needed.includes(one))
      .map((one) => `the network: an endpoint too many, ${one}`),
    ...(zones === 4 &&
    every(prediction, 'Microsoft.Network/privateDnsZones/virtualNetworkLinks').length === zones
      ? []
      : ['the network: four zones of names, each linked to the network']),
    ...(every(prediction, 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups').length ===
    endpoints.length
      ? []
      : ['the network: every endpoint needs its name']),
    ...(delegated.length === 1 && at(delegated[0], 'name') === 'app'
      ? []
      : ['the network: the subnet of the app must be delegated to Microsoft.App/environments']),
    ...subnets
      .filter((one) => typeof at(one, 'properties', 'networkSecurityGroup', 'id') !== 'string')
      .map((one) => `the network: the subnet ${detail(one, 'name')} has no security group`),
  ];
};

const azureCli = '04b07795-8ddb-461a-bbee-02f9e1bf7b46';

const registration: Rule = ({ prediction }) =>
  every(prediction, 'Microsoft.Graph/applications@v1.0').flatMap((one) => {
    const app = detail(only(prediction, 'Microsoft.Web/sites'), 'name');
    const scopes = list(one, 'properties', 'api', 'oauth2PermissionScopes');
    const scopeId = at(scopes, 0, 'id');
    const roles = list(one, 'properties', 'appRoles');
    const names = ['Administrator', 'Viewer', 'Sender', 'Receiver'].map((role) => `MailBridge.${role}`);
    const ids = [...roles, ...scopes].map((it) => at(it, 'id'));
    return [
      ...unlike('the registration', one, {
        'properties.signInAudience': 'AzureADMyOrg',
        'properties.api.requestedAccessTokenVersion': 2,
        'properties.identifierUris': [`api://${app}.azurewebsites.net`],
        'properties.spa': undefined,
        'properties.publicClient': undefined,
        'properties.passwordCredentials': undefined,
        'properties.keyCredentials': undefined,
        'properties.optionalClaims.accessToken.0.name': 'idtyp',
        'properties.api.preAuthorizedApplications': [{ appId: azureCli, delegatedPermissionIds: [scopeId] }],
      }),
      ...(scopes.length === 1 && at(scopes, 0, 'isEnabled') === true
        ? []
        : ['the registration: one scope, enabled']),
      ...(JSON.stringify(roles.map((role) => at(role, 'value'))) === JSON.stringify(names)
        ? []
        : [`the registration: its roles must be ${names.join(', ')}`]),
      ...roles.flatMap((role) =>
        unlike(`the role ${String(at(role, 'value'))}`, role, {
          allowedMemberTypes: ['User', 'Application'],
          isEnabled: true,
        }),
      ),
      ...(new Set(ids).size === ids.length &&
      ids.every((id) => typeof id === 'string' && /^[0-9a-f-]{36}$/.test(id))
        ? []
        : ['the registration: every role and scope needs an id of its own, known before the deployment']),
    ];
  });

const zones: Rule = ({ prediction }) =>
  at(only(prediction, 'Microsoft.Web/serverfarms'), 'properties', 'zoneRedundant') === true &&
  [account(prediction, 'mail'), account(prediction, 'host')].some(
    (one) => !detail(one, 'sku', 'name').includes('ZRS'),
  )
    ? ['the plan: instances in several zones need a store that outlives one']
    : [];

const intake: Rule = ({ prediction }) =>
  every(prediction, 'Microsoft.App/containerApps').flatMap((app) => {
    const allowed = list(app, 'properties', 'configuration', 'ingress', 'ipSecurityRestrictions');
    const network = every(prediction, 'Microsoft.Network/virtualNetworks').find((one) =>
      detail(one, 'name').includes('intake'),
    );
    const share = only(prediction, 'Microsoft.Storage/storageAccounts/fileServices/shares');
    return [
      ...unlike('the intake', app, {
        'properties.configuration.activeRevisionsMode': 'Single',
        'properties.configuration.ingress.external': true,
        'properties.configuration.ingress.transport': 'tcp',
        'properties.configuration.ingress.exposedPort': 587,
        'properties.template.scale': { minReplicas: 1, maxReplicas: 1 },
        'properties.template.volumes.1.storageType': 'NfsAzureFile',
      }),
      ...unlike('the spool', account(prediction, 'spool'), {
        kind: 'FileStorage',
        'properties.allowSharedKeyAccess': false,
        'properties.networkAcls.defaultAction': 'Deny',
      }),
      ...unlike('the spool', share, { 'properties.enabledProtocols': 'NFS' }),
      ...(allowed.length > 0 && allowed.every((one) => at(one, 'action') === 'Allow')
        ? []
        : ['the intake: only the addresses that are listed may connect']),
      ...(network === undefined ? ['the intake: external TCP needs a network of its own'] : []),
    ];
  });

const rules: readonly Rule[] = [
  flexOnly,
  accounts,
  contents,
  vaults,
  audits,
  exportsForAWeek,
  site,
  signIn,
  noSecrets,
  log,
  alertRules,
  availability,
  privateForm,
  registration,
  zones,
  intake,
];

function flexOnly({ prediction }: Deployment): readonly string[] {
  return flexComplaints(prediction);
}
