// Mutation testing: npm run mutation -- PATH… (a file or a folder of shared/). Not part of npm test, because it takes
// from minutes to hours. Types are stripped, not checked: a mutant that is no TypeScript counts as any other.
export default {
  testRunner: 'jest',
  jest: { projectType: 'custom', configFile: 'stryker.jest.config.js', enableFindRelatedTests: true },
  testRunnerNodeArgs: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
  coverageAnalysis: 'perTest',
  concurrency: 1,
  timeoutMS: 20_000,
  reporters: ['progress-append-only', 'clear-text', 'json'],
  clearTextReporter: { allowColor: false, reportTests: false, skipFull: true },
  jsonReporter: { fileName: '.local/mutation/report.json' },
  tempDirName: '.local/mutation/work',
  ignorePatterns: ['.local', 'dist', 'coverage'],
  incremental: true,
  incrementalFile: '.local/mutation/incremental.json',
};
