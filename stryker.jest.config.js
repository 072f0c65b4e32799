import config from './jest.config.js';

/** The tests that local/commands/mutation.ts names, without those that read thousands of mails: each mutant would wait for them. */
export default {
  ...config,
  testMatch: (process.env.MUTATION_TESTS ?? 'tests')
    .split(',')
    .map((path) => `<rootDir>/${path}${path.endsWith('.ts') ? '' : '/**/*.test.ts'}`),
  testPathIgnorePatterns: ['/node_modules/', '/tests/classify/corpora\\.test\\.ts$'],
};
