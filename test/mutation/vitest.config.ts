import { defineConfig } from 'vitest/config'

/** The tests that `npm run mutate` runs: those beside the code that it changes. */
export default defineConfig({
  test: {
    isolate: false,
    include: ['{agent/accounts,agent/tokens,protocol/wire,protocol/storage}/**/*.test.ts'],
    testTimeout: 30_000,
  },
  plugins: [
    {
      name: 'processes instead of threads',
      // Stryker asks for threads, in which no test can change its user.
      configureVitest: ({ project }) => {
        project.config.pool = 'forks'
      },
    },
  ],
})
