// Every stop of mail, announced. An alert is a query that finds a row only while something is wrong; each has an
// entry of the same name in the runbook. They run every 5 minutes over the last 15, since a line may take some
// minutes to arrive; where the state lasts longer than the line that told of it, over the last day or two. One alert for
// each value of "by", which stays the same alert until the query finds nothing any more.

import { withEvents } from 'queries.bicep'

param name string
param location string
param tags object
param workspaceId string

@description('The identity that the queries run under. Without one a rule has the rights of whoever edited it last.')
param identityId string

@description('Whether any mailbox is fetched: without one, silence is no news.')
param receives bool

@description('Off until the first publication: without the code every rule that waits for a sign of life would fire.')
param enabled bool

@description('Who is told.')
param alertEmails string[]

var events = loadJsonContent('../events.json')

// Severities: 1 mail is stopped and somebody is woken; 2 a person must act, today; 3 it is good to know.
var rules = [
  {
    id: 'fetchStopped'
    title: 'No mailbox was fetched for 15 minutes'
    severity: 1
    by: 'mailbox'
    over: 'P1D'
    query: loadTextContent('../queries/alerts/fetchStopped.kql')
  }
  {
    id: 'sweepStopped'
    title: 'The sweep of the outbox has not run for 15 minutes'
    severity: 1
    by: ''
    over: 'PT15M'
    query: loadTextContent('../queries/alerts/sweepStopped.kql')
  }
  {
    id: 'consentNeeded'
    title: 'A mailbox must be signed in again'
    severity: 1
    by: 'grant'
    over: 'P1D'
    query: loadTextContent('../queries/alerts/consentNeeded.kql')
  }
  {
    id: 'credentialEnding'
    title: 'A credential ends within 14 days'
    severity: 2
    by: 'grant'
    over: 'P2D'
    query: loadTextContent('../queries/alerts/credentialEnding.kql')
  }
  {
    id: 'deadLetter'
    title: 'A message could not be sent and is kept for a person'
    severity: 2
    by: 'account'
    over: 'P1D'
    query: loadTextContent('../queries/alerts/deadLetter.kql')
  }
  {
    id: 'inDoubt'
    title: 'It is not known whether a message was sent'
    severity: 2
    by: 'account'
    over: 'P1D'
    query: loadTextContent('../queries/alerts/inDoubt.kql')
  }
  {
    id: 'hold'
    title: 'Sending is on hold'
    severity: 1
    by: 'account'
    over: 'P1D'
    query: loadTextContent('../queries/alerts/hold.kql')
  }
  {
    id: 'dayQuota'
    title: 'More than 80 % of a day\'s recipients are used'
    severity: 3
    by: 'account'
    over: 'PT15M'
    query: loadTextContent('../queries/alerts/dayQuota.kql')
  }
  {
    id: 'poison'
    title: 'The host gave up on a queue message'
    severity: 2
    by: ''
    over: 'PT15M'
    query: loadTextContent('../queries/alerts/poison.kql')
  }
]

resource told 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${name}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: take('mail${uniqueString(name)}', 12)
    enabled: true
    emailReceivers: map(alertEmails, address => {
      name: address
      emailAddress: address
      useCommonAlertSchema: true
    })
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in filter(rules, one => receives || one.id != 'fetchStopped'): {
    name: 'alert-${name}-${rule.id}'
    location: location
    tags: tags
    kind: 'LogAlert'
    identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
    properties: {
      displayName: '${name}: ${rule.title}'
      description: '${rule.title}. What to do: docs/runbook.md, entry "${rule.id}".'
      enabled: enabled
      severity: rule.severity
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      overrideQueryTimeRange: rule.over == 'PT15M' ? null : rule.over
      autoMitigate: true
      // AppTraces has no column before the app's first line.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: withEvents(rule.query, events)
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            dimensions: empty(rule.by) ? [] : [{ name: rule.by, operator: 'Include', values: ['*'] }]
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [told.id] }
    }
  }
]

output actionGroupId string = told.id
