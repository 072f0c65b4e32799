// Where the log goes: Application Insights on a workspace of its own. Only Entra may write to it (the app's
// identity, by its role on the component); a connection string alone writes nothing.

param workspaceName string
param componentName string
param location string
param tags object

@description('Days that the workspace keeps the log. A workspace-based component has no retention of its own.')
param retentionDays 30 | 60 | 90 | 120 | 180 | 270 | 365 | 550 | 730

@description('Gigabytes a day at which the workspace stops taking lines; 0: never. A cap blinds every alert for the rest of the day.')
@minValue(0)
param dailyCapGigabytes int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: dailyCapGigabytes > 0 ? { dailyQuotaGb: dailyCapGigabytes } : null
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: componentName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
  }
}

output connectionString string = component.properties.ConnectionString
