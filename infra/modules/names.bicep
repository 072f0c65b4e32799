// The names in the store. The app knows them as constants (shared/storage/names.ts); a test compares the two.

@export()
@description('Queues that the app or its host works with. The poison queues are the host\'s: it fills them, and idles without a word where one is missing.')
var queueNames = {
  outboundMail: 'outbound-mail'
  outboundMailPoison: 'outbound-mail-poison'
  outboundWake: 'outbound-wake'
  outboundWakePoison: 'outbound-wake-poison'
  mailStatus: 'mail-status'
  mailStatusPoison: 'mail-status-poison'
  inboundMail: 'inbound-mail'
  inboundMailPoison: 'inbound-mail-poison'
  heartbeat: 'heartbeat'
  heartbeatPoison: 'heartbeat-poison'
}

@export()
var tableNames = {
  outbox: 'outbox'
  inbound: 'inbound'
  ops: 'ops'
  esm: 'esm'
}

@export()
var containerNames = {
  outboundContent: 'outbound-content'
  outboundUploads: 'outbound-uploads'
  inboundContent: 'inbound-content'
}

@export()
@description('Where the app copies the unfinished messages every day; in the host\'s account, each blob for a week.')
var exportContainerName = 'outbox-export'

@export()
@description('Where the platform keeps the published package. The app itself never looks there.')
var packageContainerName = 'app-package'
