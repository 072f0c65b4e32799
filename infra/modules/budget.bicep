// A budget of the resource group. It warns; nothing stops when it is used up.

param name string

@description('A month, in the currency of the subscription.')
@minValue(1)
param amount int

@description('First day of the month of the first deployment, as 2026-12-01. Azure refuses to change it later.')
param startDate string

param alertEmails string[]
param actionGroupId string

var warning = {
  enabled: true
  operator: 'GreaterThan'
  contactEmails: alertEmails
  contactGroups: [actionGroupId]
  contactRoles: ['Owner']
}

resource budget 'Microsoft.Consumption/budgets@2023-11-01' = {
  name: name
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: { startDate: startDate }
    notifications: {
      actual80: union(warning, { threshold: 80, thresholdType: 'Actual' })
      forecast100: union(warning, { threshold: 100, thresholdType: 'Forecasted' })
    }
  }
}
