// The Entra part of the deployment. Needs Graph's types, from beside the project or from the registry.
import { afterAll, describe, expect, jest, test } from '@jest/globals';
import {
  every,
  layOut,
  only,
  tenantId,
  type Prediction,
  withExamples,
  senderId,
  consumerId,
} from './bench.ts';
import { at, detail, list } from './json.ts';

// The compiler is another process, and the machine may be busy.
jest.setTimeout(120_000);

const bench = layOut();
afterAll(() => {
  bench.remove();
});

const graph = 'Microsoft.Graph';
const administrator = '33333333-3333-4333-8333-333333333333';
const { graphTypes } = bench;
const known = graphTypes !== undefined;
const title = known
  ? `the Entra part (Graph's types: ${graphTypes})`
  : 'the Entra part is NOT CHECKED here: no Graph types beside the project, and no registry';

const dev = await bench.predict('dev.bicepparam', 'rg-mail-dev');
const consenting = (text: string): string =>
  `${withExamples(text).replace('grantAdminConsent = false', 'grantAdminConsent = true')}
param adminPrincipalIds = ['${administrator}']
param esmRedirectUris = ['https://esm.contoso.example/oauth/callback']
`;
const prod = await bench.predict('prod.public.bicepparam', 'rg-mail-prod', consenting);

const plainProd = await bench.predict('prod.private.bicepparam', 'rg-mail-prod');

(known ? describe : describe.skip)(title, () => {
  const registration = (prediction: Prediction): unknown =>
    at(only(prediction, `${graph}/applications@v1.0`), 'properties');
  const hostName = (prediction: Prediction): string =>
    `${detail(only(prediction, 'Microsoft.Web/sites'), 'name')}.azurewebsites.net`;

  test('redirect addresses: the callback’s route, the platform’s own, and ESM’s', () => {
    expect(list(registration(prod), 'web', 'redirectUris')).toEqual([
      `https://${hostName(prod)}/api/oauth/callback`,
      `https://${hostName(prod)}/.auth/login/aad/callback`,
      'https://esm.contoso.example/oauth/callback',
    ]);
    expect(list(registration(dev), 'web', 'redirectUris')).toHaveLength(2);
  });

  test('it is a confidential client of one tenant: no public or single-page address', () => {
    expect(at(registration(prod), 'signInAudience')).toBe('AzureADMyOrg');
    expect(at(registration(prod), 'spa')).toBeUndefined();
    expect(at(registration(prod), 'publicClient')).toBeUndefined();
  });

  test('it has no secret and no certificate', () => {
    expect(at(registration(prod), 'passwordCredentials')).toBeUndefined();
    expect(at(registration(prod), 'keyCredentials')).toBeUndefined();
  });

  test('its one credential is the managed identity', () => {
    const credential = at(
      only(prod, `${graph}/applications/federatedIdentityCredentials@v1.0`),
      'properties',
    );
    const uniqueName = detail(registration(prod), 'uniqueName');
    expect(detail(credential, 'name')).toBe(`${uniqueName}/identity`);
    expect(list(credential, 'audiences')).toEqual(['api://AzureADTokenExchange']);
    expect(detail(credential, 'issuer')).toContain(tenantId);
    expect(detail(credential, 'issuer')).toContain('{0}{1}/v2.0');
    expect(detail(credential, 'subject')).toMatch(
      /format\('identity-\{0\}'.*\.outputs\.principalId\.value\]$/,
    );
  });

  test('dev and prod in one tenant never write to the same registration', async () => {
    const names = [
      dev,
      prod,
      await bench.predict('dev.bicepparam', 'rg-elsewhere'),
      await bench.predict('prod.public.bicepparam', 'rg-elsewhere'),
    ].map((prediction) => detail(registration(prediction), 'uniqueName'));
    expect(new Set(names).size).toBe(names.length);
  });

  test('a second deployment finds its registration again', async () => {
    expect(detail(registration(await bench.predict('dev.bicepparam', 'rg-mail-dev')), 'uniqueName')).toBe(
      detail(registration(dev), 'uniqueName'),
    );
  });

  test('consent where it is asked for: two delegated grants for the tenant, two application permissions', () => {
    const grants = every(prod, `${graph}/oauth2PermissionGrants@v1.0`).map((grant) =>
      at(grant, 'properties'),
    );
    expect(grants.map((grant) => detail(grant, 'scope'))).toEqual([
      'IMAP.AccessAsUser.All SMTP.Send',
      'openid profile email offline_access',
    ]);
    expect(grants.map((grant) => detail(grant, 'consentType'))).toEqual(['AllPrincipals', 'AllPrincipals']);
    expect(grants.map((grant) => detail(grant, 'resourceId'))).toEqual([
      "[reference('exchangeOnline').id]",
      "[reference('graph').id]",
    ]);
    const permissions = every(prod, `${graph}/appRoleAssignedTo@v1.0`)
      .map((one) => at(one, 'properties'))
      .filter((one) => detail(one, 'resourceId') === "[reference('exchangeOnline').id]");
    expect(permissions.map((one) => detail(one, 'principalId'))).toEqual([
      "[reference('enterpriseApp').id]",
      "[reference('enterpriseApp').id]",
    ]);
  });

  test('no consent where it is not: an administrator is sent to the address in the outputs', async () => {
    expect(every(dev, `${graph}/oauth2PermissionGrants@v1.0`)).toEqual([]);
    const permissions = every(dev, `${graph}/appRoleAssignedTo@v1.0`).map((one) => at(one, 'properties'));
    expect(permissions.map((one) => detail(one, 'resourceId'))).toEqual(["[reference('enterpriseApp').id]"]);
    expect(detail(await bench.compile('entra.bicep'), 'outputs', 'adminConsentUrl', 'value')).toContain(
      '/adminconsent?client_id=',
    );
  });

  test('every permission is looked up by its name, and one that is not there ends the deployment with a sentence', async () => {
    const template = await bench.compile('entra.bicep');
    const stdout = JSON.stringify(template);
    const permissions = Object.values(at(template, 'functions') ?? {}).map((one) => JSON.stringify(one));
    expect(permissions.join()).toMatch(
      /equals\(length\(filter\(.*\)\), 1\).*fail\(format\('\{0\} in this tenant has no permission/,
    );
    for (const name of [
      'IMAP.AccessAsApp',
      'SMTP.SendAsApp',
      'IMAP.AccessAsUser.All',
      'SMTP.Send',
      'offline_access',
    ]) {
      expect(JSON.stringify(at(template, 'variables'))).toContain(name);
    }
    // No id of a permission is written anywhere: only the applications' own: Exchange Online, Graph, the Azure CLI.
    const ids = new Set(stdout.match(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g));
    expect([...ids].toSorted()).toEqual([
      '00000002-0000-0ff1-ce00-000000000000',
      '00000003-0000-0000-c000-000000000000',
      '04b07795-8ddb-461a-bbee-02f9e1bf7b46',
    ]);
  });

  test('what the portal shows as configured: delegated and application permissions of prod', () => {
    const access = list(registration(prod), 'requiredResourceAccess');
    expect(
      access.map((one) => [
        detail(one, 'resourceAppId'),
        list(one, 'resourceAccess').map((it) => at(it, 'type')),
      ]),
    ).toEqual([
      ['00000002-0000-0ff1-ce00-000000000000', ['Scope', 'Scope', 'Role', 'Role']],
      ['00000003-0000-0000-c000-000000000000', ['Scope', 'Scope', 'Scope', 'Scope']],
    ]);
  });

  test('dev, with a delegated mailbox alone, asks for no application permission', () => {
    const access = list(registration(dev), 'requiredResourceAccess');
    expect(list(access[0], 'resourceAccess').map((it) => at(it, 'type'))).toEqual(['Scope', 'Scope']);
  });

  test('roles: the administrator’s to the deployer by default, each other one to whom it is for', () => {
    const given = (prediction: Prediction): readonly (readonly [string, string])[] =>
      every(prediction, `${graph}/appRoleAssignedTo@v1.0`)
        .map((one) => at(one, 'properties'))
        .filter((one) => detail(one, 'resourceId') === "[reference('enterpriseApp').id]")
        .map((one) => {
          const role = list(registration(prediction), 'appRoles').find(
            (it) => at(it, 'id') === at(one, 'appRoleId'),
          );
          return [detail(role, 'value'), detail(one, 'principalId')];
        });
    expect(given(prod)).toEqual([
      ['MailBridge.Administrator', administrator],
      ['MailBridge.Sender', senderId],
      ['MailBridge.Receiver', consumerId],
    ]);
    expect(given(dev)).toEqual([['MailBridge.Administrator', '[deployer().objectId]']]);
  });

  test('no role is given and nothing consented to where Graph refused what is there already', async () => {
    const again = await bench.predict(
      'prod.public.bicepparam',
      'rg-mail-prod',
      (text) => `${withExamples(text)}\nparam assignRoles = false\n`,
    );
    expect(every(again, `${graph}/appRoleAssignedTo@v1.0`)).toEqual([]);
    expect(every(again, `${graph}/oauth2PermissionGrants@v1.0`)).toEqual([]);
    expect(every(again, `${graph}/applications@v1.0`)).toHaveLength(1);
  });

  test('ids of roles and scope are the same at every deployment of one registration, and no two alike', () => {
    const ids = (prediction: Prediction): readonly unknown[] =>
      [
        ...list(registration(prediction), 'appRoles'),
        ...list(registration(prediction), 'api', 'oauth2PermissionScopes'),
      ].map((one) => at(one, 'id'));
    expect(ids(prod)).toEqual(ids(plainProd));
    expect(ids(prod).filter((id) => ids(dev).includes(id))).toEqual([]);
  });

  test('nobody has to be assigned to sign in', () => {
    expect(at(only(prod, `${graph}/servicePrincipals@v1.0`), 'properties', 'appRoleAssignmentRequired')).toBe(
      false,
    );
  });
});
