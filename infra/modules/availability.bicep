// From outside: does the app answer? Azure asks /api/health from five places, and the alert fires where three get
// no answer. What is wrong inside is the business of the other alerts; this one sees what they cannot, an app that
// does not run and so writes nothing.

param name string
param location string
param tags object
param componentId string
param hostName string
param actionGroupId string

@description('Off until the first publication.')
param enabled bool

// Each call is billed; ten minutes still leave every place a call in the alert's window.
var frequencySeconds = 600
var places = ['emea-nl-ams-azr', 'emea-gb-db3-azr', 'emea-fr-pra-edge', 'emea-se-sto-edge', 'emea-ch-zrh-edge']

resource test 'Microsoft.Insights/webtests@2022-06-15' = {
  name: 'health-${name}'
  location: location
  // The tag is how the platform knows which component the results belong to.
  tags: union(tags, { 'hidden-link:${componentId}': 'Resource' })
  kind: 'standard'
  properties: {
    Name: 'health-${name}'
    SyntheticMonitorId: 'health-${name}'
    Kind: 'standard'
    Enabled: enabled
    Frequency: frequencySeconds
    Timeout: 30
    RetryEnabled: true
    Locations: map(places, place => { Id: place })
    Request: {
      RequestUrl: 'https://${hostName}/api/health'
      HttpVerb: 'GET'
      FollowRedirects: false
      ParseDependentRequests: false
    }
    ValidationRules: { ExpectedHttpStatusCode: 200, SSLCheck: true, SSLCertRemainingLifetimeCheck: 7 }
  }
}

resource alert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'alert-${name}-unreachable'
  location: 'global'
  tags: tags
  properties: {
    description: 'The app does not answer. What to do: docs/runbook.md, entry "unreachable".'
    enabled: enabled
    severity: 1
    scopes: [test.id, componentId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: test.id
      componentId: componentId
      failedLocationCount: 3
    }
    actions: [{ actionGroupId: actionGroupId }]
  }
}
