// Every cause that stops mail or needs a person, as an alert. An alert is a query over the newest state lines, which the
// sweep writes every minute: it finds a row for as long as the cause lasts, and none once it is gone. Each has an entry of
// the same name in the runbook. They run every 5 minutes. One alert for each value of "by".

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

// Severities: 1 mail is stopped and somebody is woken; 3 a person must act, in working hours.
var rules = [
  {
    id: 'mailLate'
    title: 'Mail has been due for more than 15 minutes'
    severity: 1
    by: 'account'
    query: loadTextContent('../queries/alerts/mailLate.kql')
  }
  {
    id: 'fetchStopped'
    title: 'A mailbox was not read for 15 minutes'
    severity: 1
    by: 'mailbox'
    query: loadTextContent('../queries/alerts/fetchStopped.kql')
  }
  {
    id: 'consumerStopped'
    title: 'Nobody has taken mail from a queue for 30 minutes'
    severity: 1
    by: 'queue'
    query: loadTextContent('../queries/alerts/consumerStopped.kql')
  }
  {
    id: 'sweepStopped'
    title: 'The sweep of the outbox has not run for 15 minutes'
    severity: 1
    by: ''
    query: loadTextContent('../queries/alerts/sweepStopped.kql')
  }
  {
    id: 'intakeStopped'
    title: 'An SMTP intake is silent, or its mail waits'
    severity: 1
    by: 'intake'
    query: loadTextContent('../queries/alerts/intakeStopped.kql')
  }
  {
    id: 'jobStopped'
    title: 'A daily job has not ended well for 36 hours'
    severity: 3
    by: 'job'
    query: loadTextContent('../queries/alerts/jobStopped.kql')
  }
  {
    id: 'rejected'
    title: 'Submissions are rejected'
    severity: 3
    by: ''
    query: loadTextContent('../queries/alerts/rejected.kql')
  }
  {
    id: 'eventQuarantined'
    title: 'An event could not be put on the queue and is kept for a person'
    severity: 3
    by: 'account'
    query: loadTextContent('../queries/alerts/eventQuarantined.kql')
  }
  {
    id: 'consentNeeded'
    title: 'A mailbox must be signed in again'
    severity: 3
    by: 'mailbox'
    query: loadTextContent('../queries/alerts/consentNeeded.kql')
  }
  {
    id: 'grantEnding'
    title: 'The sign-in of a mailbox ends within 30 days'
    severity: 3
    by: 'mailbox'
    query: loadTextContent('../queries/alerts/grantEnding.kql')
  }
  {
    id: 'credentialEnding'
    title: 'A certificate or secret ends within 30 days'
    severity: 3
    by: 'kind'
    query: loadTextContent('../queries/alerts/credentialEnding.kql')
  }
  {
    id: 'intakeAttention'
    title: 'An SMTP intake needs a person'
    severity: 3
    by: 'intake'
    query: loadTextContent('../queries/alerts/intakeAttention.kql')
  }
  {
    id: 'hold'
    title: 'Sending is on hold'
    severity: 3
    by: 'account'
    query: loadTextContent('../queries/alerts/hold.kql')
  }
  {
    id: 'deadLetter'
    title: 'A message could not be sent and is kept for a person'
    severity: 3
    by: 'account'
    query: loadTextContent('../queries/alerts/deadLetter.kql')
  }
  {
    id: 'inDoubt'
    title: 'It is not known whether a message was sent'
    severity: 3
    by: 'account'
    query: loadTextContent('../queries/alerts/inDoubt.kql')
  }
  {
    id: 'unreadable'
    title: 'A stored message can\'t be read'
    severity: 3
    by: 'account'
    query: loadTextContent('../queries/alerts/unreadable.kql')
  }
  {
    id: 'accountUnreadable'
    title: 'The state of an account can\'t be read'
    severity: 3
    by: 'account'
    query: loadTextContent('../queries/alerts/accountUnreadable.kql')
  }
  {
    id: 'connectionsOrphaned'
    title: 'Connections of hosts that died block an account'
    severity: 3
    by: 'account'
    query: loadTextContent('../queries/alerts/connectionsOrphaned.kql')
  }
  {
    id: 'dayQuota'
    title: 'More than 80 % of a day\'s recipients are used'
    severity: 3
    by: 'account'
    query: loadTextContent('../queries/alerts/dayQuota.kql')
  }
  {
    id: 'invocationsFailed'
    title: 'A function keeps failing'
    severity: 3
    by: 'functionName'
    query: loadTextContent('../queries/alerts/invocationsFailed.kql')
  }
  {
    id: 'poison'
    title: 'A queue message can\'t be processed'
    severity: 3
    by: 'queue'
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
      // What the last state lines said holds until newer ones say otherwise, or for as long as Azure lets a rule look.
      overrideQueryTimeRange: 'P2D'
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
