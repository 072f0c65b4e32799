import config from './jest.config.js';

/** The tests of the modules that are mutated, without those that read thousands of mails: each mutant would wait for them. */
export default {
  ...config,
  roots: (process.env.MUTATION_TESTS ?? 'tests').split(',').map((root) => `<rootDir>/${root}`),
  testPathIgnorePatterns: ['/node_modules/', '/tests/classify/corpora\\.test\\.ts$'],
};
