import { defineConfig } from 'vitest/config'

/**
 * In CI a test with processes, browsers and servers of others gets a second chance, as a busy machine
 * upsets one in thousands; the report says so, and what is broken fails twice. Unit tests get none:
 * a property that fails for one input would pass with the next.
 */
const retry = process.env['CI'] === undefined ? 0 : 1

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          // Files share the modules of their worker, which keep no state: loading them again for each took
          // a quarter of the time.
          isolate: false,
          include: [
            '{protocol,agent,cli}/**/*.test.ts',
            'test/*.test.ts',
            'test/{support,behaviour,issuer}/**/*.test.ts',
          ],
          // Far more than any takes alone; enough where all of them share two busy cores.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'e2e',
          // As above: the provider's packages alone take a second to load.
          isolate: false,
          include: ['test/e2e/**/*.test.ts'],
          retry,
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
          retry,
          testTimeout: 90_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          // A real browser; skipped, with the reason, where there is none.
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          retry,
          testTimeout: 90_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          // A real storage server; skipped, with the reason, where its packages are not installed.
          name: 'xrootd',
          include: ['test/xrootd/**/*.test.ts'],
          retry,
          testTimeout: 90_000,
          hookTimeout: 60_000,
        },
      },
    ],
    // Many of the end-to-end tests wait more than they work.
    maxWorkers: 6,
    coverage: {
      provider: 'v8',
      include: ['{protocol,agent,cli}/**/*.ts'],
      exclude: ['**/*.test.ts', 'cli/test-io.ts'],
      reporter: ['text-summary', 'html'],
      // Of the unit tests alone: what only a process of its own can show (the launcher, the daemon's
      // start, hardening, prompts) is in the end-to-end tests and counts as not covered here.
      thresholds: {
        lines: 86,
        functions: 87,
        branches: 82,
        'agent/tokens/**': { lines: 100, functions: 100, branches: 92 },
        'protocol/**': { lines: 97, functions: 97, branches: 95 },
      },
    },
  },
})
