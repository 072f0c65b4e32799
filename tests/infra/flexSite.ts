// What a site on Flex Consumption may carry. Azure refuses any other site property with error 51021 ("The following
// site configuration property ... for Flex Consumption sites is invalid"), but not in every region yet: older stamps
// ignore it, newer ones refuse it (Azure/terraform-azurerm-avm-res-web-site#360, microsoft/azure-pipelines-tasks#21032).
// So a deployment that works in one region proves nothing, and this is a list of what is allowed.
import { only, type Prediction } from './bench.ts';
import { at, record } from './json.ts';

/** Each with a public template or client that sends it to Flex Consumption sites. */
const allowed = {
  properties: {
    serverFarmId: 'Azure-Samples/azure-functions-flex-consumption-samples IaC/bicep/core/host/function.bicep',
    httpsOnly: 'hashicorp/terraform-provider-azurerm function_app_flex_consumption_resource.go',
    publicNetworkAccess: 'hashicorp/terraform-provider-azurerm function_app_flex_consumption_resource.go',
    virtualNetworkSubnetId: 'Azure-Samples/functions-quickstart-typescript-azd infra/main.bicep',
    functionAppConfig:
      'Azure-Samples/azure-functions-flex-consumption-samples IaC/bicep/core/host/function.bicep',
    siteConfig: 'Azure-Samples/azure-functions-flex-consumption-samples IaC/bicep/core/host/function.bicep',
  },
  // All of these: hashicorp/terraform-provider-azurerm, ExpandSiteConfigFunctionFlexConsumptionAppV20250501.
  siteConfig: {
    appSettings: 'also Azure-Samples/azure-functions-flex-consumption-samples',
    minTlsVersion: 'also Azure-Samples/functions-quickstart-typescript-azd',
    scmMinTlsVersion: '',
    http20Enabled: '',
    ipSecurityRestrictions: '',
    ipSecurityRestrictionsDefaultAction: '',
    scmIpSecurityRestrictions: '',
    scmIpSecurityRestrictionsDefaultAction: '',
    scmIpSecurityRestrictionsUseMain: '',
    vnetRouteAllEnabled: '',
  },
} as const satisfies Record<string, Record<string, string>>;

const avm = 'Azure/terraform-azurerm-avm-res-web-site';
const pipelines = 'microsoft/azure-pipelines-tasks';

/** Properties of siteConfig that were refused, or that are left out of what is sent for that reason; and where. */
export const refusedSiteConfig: Readonly<Record<string, string>> = {
  ftpsState: `${pipelines}#21032, ${avm}#360`,
  linuxFxVersion: `${avm}#283, #345`,
  windowsFxVersion: `${avm}#345`,
  netFrameworkVersion: `${pipelines}#21032, ${avm}#360`,
  use32BitWorkerProcess: `${pipelines}#21032, ${avm}#360`,
  functionsRuntimeScaleMonitoringEnabled: `${pipelines}#21032, ${avm}#360`,
  preWarmedInstanceCount: `${avm}#360`,
  functionAppScaleLimit: `Azure/azure-functions-host#10643, ${pipelines}#22254`,
  alwaysOn: `${avm}#345`,
  minimumElasticInstanceCount: `not settled: ${avm}#353`,
  healthCheckPath: `not in Microsoft's table of what Flex Consumption supports; ${avm}#345`,
  numberOfWorkers: 'scale is functionAppConfig.scaleAndConcurrency',
  nodeVersion: 'the runtime is functionAppConfig.runtime',
};

/** A complaint for each property of the site that Flex Consumption refuses or is not known to take. */
export function flexComplaints(prediction: Prediction): readonly string[] {
  const site = only(prediction, 'Microsoft.Web/sites');
  const complain = (where: 'properties' | 'siteConfig', given: unknown): readonly string[] =>
    Object.keys(record(given))
      .filter((name) => !Object.hasOwn(allowed[where], name))
      .map((name) => {
        const source = where === 'siteConfig' ? refusedSiteConfig[name] : undefined;
        const why = source === undefined ? 'is not known to be taken' : `is refused (${source})`;
        return `${where === 'siteConfig' ? 'siteConfig.' : ''}${name} ${why} by Flex Consumption`;
      });
  return [
    ...complain('properties', at(site, 'properties')),
    ...complain('siteConfig', at(site, 'properties', 'siteConfig')),
  ];
}
