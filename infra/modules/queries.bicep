// How a query reads the log. The app writes each event as one line of JSON; a query names an event as if it
// were a table (outbound_sent for outbound.sent), and what makes it one is put in front of it here, from
// events.json, which is generated from the app's own catalogue.

@export()
@description('The query with a "let" before it for each event that it names.')
func withEvents(query string, events object) string =>
  '${join(map(filter(items(events), event => contains(query, replace(event.key, '.', '_'))), event => eventAsTable(event.key, event.value)), '\n')}\n${query}'

func eventAsTable(name string, fields object) string =>
  'let ${replace(name, '.', '_')} = AppTraces | where Message has "${name}" | extend line = parse_json(Message) | where tostring(line.event) == "${name}" | project TimeGenerated, OperationId${join(map(items(fields), field => ', [\'${field.key}\'] = ${field.value}(line[\'${field.key}\'])'), '')};'
