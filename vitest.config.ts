import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{protocol,agent,cli}/**/*.test.ts',
            'test/*.test.ts',
            'test/{support,behaviour}/**/*.test.ts',
          ],
          // Far more than any takes alone; enough where all of them share two busy cores.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          // Each test starts several processes; on a small machine each takes a second to come up.
          testTimeout: 90_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          // The C programs; skipped, with the reason, where they are not installed.
          name: 'interop',
          include: ['test/interop/**/*.test.ts'],
          testTimeout: 90_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          // A real browser; skipped, with the reason, where there is none.
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          // A browser on a busy machine misses a deadline now and then; what is broken fails twice.
          retry: 1,
          testTimeout: 90_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          // A real storage server; skipped, with the reason, where its packages are not installed.
          name: 'xrootd',
          include: ['test/xrootd/**/*.test.ts'],
          testTimeout: 90_000,
          hookTimeout: 60_000,
        },
      },
    ],
    // Many of the end-to-end tests wait more than they work.
    maxWorkers: 4,
    coverage: {
      provider: 'v8',
      include: ['{protocol,agent,cli}/**/*.ts'],
      exclude: ['**/*.test.ts', 'cli/test-io.ts'],
      reporter: ['text-summary', 'html'],
      // Of the unit tests alone: what only a process of its own can show (the launcher, the daemon's
      // start, hardening, prompts) is in the end-to-end tests and counts as not covered here.
      thresholds: {
        lines: 78,
        functions: 78,
        branches: 70,
        'agent/tokens/**': { lines: 100, functions: 100, branches: 92 },
        'protocol/**': { lines: 97, functions: 97, branches: 95 },
      },
    },
  },
})
