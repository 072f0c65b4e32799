/** ES modules, as in production; types are stripped by swc and checked by tsc in a step of their own. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/tests'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' } },
    ],
  },
  testMatch: ['**/*.test.ts'],
  // Small apps for the local host, each with a package.json of its own: started as processes, never imported.
  modulePathIgnorePatterns: [
    '<rootDir>/tests/local/functionsHost/fixtures',
    '<rootDir>/dist',
    '<rootDir>/.local',
  ],
  // A bound against hanging, no measure: on a busy machine everything takes several times as long.
  testTimeout: 120_000,
  // Most of the long tests wait (for a period, a lease, another process): three at a time keep two cores busy.
  maxWorkers: 3,
};
