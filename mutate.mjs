import { Stryker } from '@stryker-mutator/core'

/** The folders that guard tokens. */
const folders = ['agent/accounts', 'agent/tokens', 'protocol/wire', 'protocol/storage']

/** `npm run mutate [FOLDER | FILE]…`: the folders above, unless others are named. */
const named = process.argv.slice(2).map((path) => path.replace(/\/$/, ''))
const mutated = (named.length === 0 ? folders : named).map((path) =>
  path.endsWith('.ts') ? path : `${path}/**/*.ts`,
)

await new Stryker({
  mutate: [...mutated, '!**/*.test.ts'],
  testRunner: 'vitest',
  plugins: [import.meta.resolve('@stryker-mutator/vitest-runner')],
  // To look for related tests before each mutant takes longer than to run them.
  vitest: { configFile: 'test/mutation/vitest.config.ts', related: false },
  // Only the tests that reach a mutant run.
  coverageAnalysis: 'perTest',
  concurrency: 2,
  // A mutant that hangs counts as detected, so a busy machine must not look like one.
  timeoutMS: 30_000,
  ignorePatterns: ['dist', 'coverage', 'docs'],
  cleanTempDir: 'always',
  reporters: ['clear-text', 'progress-append-only', 'html', 'json'],
  clearTextReporter: { logTests: false, reportTests: false, allowColor: false },
  thresholds: { high: 95, low: 90, break: 95 },
}).runMutationTest()
