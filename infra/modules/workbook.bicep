// The workbook: what an operator looks at when somebody asks whether mail is going.

import { withEvents } from 'queries.bicep'

param name string
param location string
param tags object
param workspaceId string
param componentId string

var events = loadJsonContent('../events.json')

// shows: table, timechart, barchart
var panels = [
  {
    id: 'outcomes'
    title: 'Messages by outcome'
    shows: 'timechart'
    query: loadTextContent('../queries/workbook/outcomes.kql')
  }
  {
    id: 'minuteLimit'
    title: 'Messages a minute, by account (Exchange Online allows 30)'
    shows: 'timechart'
    query: loadTextContent('../queries/workbook/minuteLimit.kql')
  }
  {
    id: 'dayLimit'
    title: 'Recipients of the last 24 hours, by account, in percent of the limit'
    shows: 'timechart'
    query: loadTextContent('../queries/workbook/dayLimit.kql')
  }
  {
    id: 'backlog'
    title: 'Backlog, and when it clears'
    shows: 'table'
    query: loadTextContent('../queries/workbook/backlog.kql')
  }
  {
    id: 'fetchLag'
    title: 'Fetching: last pass and messages behind'
    shows: 'table'
    query: loadTextContent('../queries/workbook/fetchLag.kql')
  }
  {
    id: 'grants'
    title: 'Grants: refreshed, refused, in need of consent'
    shows: 'table'
    query: loadTextContent('../queries/workbook/grants.kql')
  }
  {
    id: 'deadLetters'
    title: 'Dead letters and messages in doubt'
    shows: 'table'
    query: loadTextContent('../queries/workbook/deadLetters.kql')
  }
]

var content = {
  version: 'Notebook/1.0'
  items: concat(
    [
      {
        type: 9
        name: 'range'
        content: {
          version: 'KqlParameterItem/1.0'
          parameters: [
            {
              id: guid(resourceGroup().id, name, 'range')
              version: 'KqlParameterItem/1.0'
              name: 'TimeRange'
              label: 'Time range'
              type: 4
              isRequired: true
              value: { durationMs: 86400000 }
              typeSettings: {
                selectableValues: map([3600000, 14400000, 86400000, 604800000], span => { durationMs: span })
                allowCustom: true
              }
            }
          ]
          queryType: 0
          resourceType: 'microsoft.operationalinsights/workspaces'
        }
      }
    ],
    map(panels, panel => {
      type: 3
      name: panel.id
      content: {
        version: 'KqlItem/1.0'
        query: withEvents(panel.query, events)
        size: 0
        title: panel.title
        timeContextFromParameter: 'TimeRange'
        queryType: 0
        resourceType: 'microsoft.operationalinsights/workspaces'
        crossComponentResources: [workspaceId]
        visualization: panel.shows
      }
    })
  )
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, name, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Mail bridge ${name}'
    category: 'workbook'
    version: 'Notebook/1.0'
    sourceId: componentId
    serializedData: string(content)
  }
}
