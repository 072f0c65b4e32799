// The rooms and doors of the design: who may import whom, and which file is the one door to each SDK.
const SHARED = '^shared/';
const allow = (room, ...others) => ({
  name: `${room}-imports`,
  comment: `shared/${room} may use only itself${others.length > 0 ? `, ${others.join(', ')}` : ''}`,
  severity: 'error',
  from: { path: `^shared/${room}/` },
  to: { path: SHARED, pathNot: `^shared/(${[room, ...others].join('|')})(/|\\.ts$)` },
});
const oneDoor = (packages, file) => ({
  name: `one-door-${packages[0].replace(/\W+/g, '-')}`,
  comment: `${packages.join(', ')}: imported by ${file} alone`,
  severity: 'error',
  from: { path: '^(functions|shared)/', pathNot: file },
  to: { path: packages.map((name) => `node_modules/${name}/`) },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, path: SHARED }, to: {} },
    {
      name: 'functions-call-the-bridge',
      severity: 'error',
      from: { path: '^functions/' },
      to: { path: SHARED, pathNot: '^shared/bridge\\.ts$' },
    },
    {
      name: 'only-functions-call-the-bridge',
      severity: 'error',
      from: { path: SHARED },
      to: { path: '^shared/bridge\\.ts$' },
    },
    {
      name: 'nobody-imports-functions',
      severity: 'error',
      from: { pathNot: '^(functions|tests)/' },
      to: { path: '^functions/' },
    },
    {
      name: 'shipped-stays-shipped',
      severity: 'error',
      from: { path: '^(functions|shared)/' },
      to: { path: '^(tests|local)/' },
    },
    {
      name: 'mail-is-pure',
      severity: 'error',
      from: { path: '^shared/mail/' },
      to: { path: 'node_modules/' },
    },
    {
      name: 'names-are-lower-camel',
      severity: 'error',
      from: {},
      to: { path: ['^(functions|shared)/.*/[A-Z][^/]*\\.ts$', '^(functions|shared)/.*[-_][^/]*\\.ts$'] },
    },
    allow('mail'),
    allow('config', 'mail'),
    allow('telemetry', 'mail', 'clock'),
    allow('oauth', 'mail', 'clock', 'telemetry'),
    allow('limits', 'mail', 'clock', 'telemetry'),
    allow('inbound', 'mail', 'clock', 'telemetry'),
    allow('outbound', 'limits', 'mail', 'clock', 'telemetry'),
    allow('exchange', 'outbound', 'inbound', 'mail', 'clock', 'telemetry'),
    allow('storage', 'outbound', 'inbound', 'limits', 'mail', 'clock', 'telemetry'),
    allow('ops', 'outbound', 'inbound', 'oauth', 'limits', 'mail', 'clock', 'telemetry', 'config'),
    oneDoor(['nodemailer'], '^shared/exchange/(smtpRelay|mimeComposer)\\.ts$'),
    oneDoor(['imapflow'], '^shared/exchange/imapMailbox\\.ts$'),
    oneDoor(['mailparser'], '^shared/exchange/(mimeParser|mimeParserWorker)\\.ts$'),
    oneDoor(['@azure/keyvault-secrets'], '^shared/oauth/keyVaultTokenVault\\.ts$'),
    oneDoor(['@azure/identity'], '^shared/oauth/azureCredentials\\.ts$'),
    oneDoor(['openid-client'], '^shared/oauth/'),
    oneDoor(['@azure/storage-queue', '@azure/storage-blob', '@azure/data-tables'], '^shared/storage/'),
    oneDoor(['@azure/functions'], '^functions/'),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
  },
};
