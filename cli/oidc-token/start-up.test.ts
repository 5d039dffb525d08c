import { join } from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')

/** What the bundle of a program is made of, and which of Node's modules it asks for. */
async function partsOf(entry: string, lazy: readonly string[]): Promise<readonly string[]> {
  const { metafile } = await build({
    entryPoints: [join(root, entry)],
    absWorkingDir: root,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'cjs',
    // What is loaded only when it is needed counts for nothing here.
    plugins: [
      {
        name: 'leave-lazy-out',
        setup: (bundler) => {
          bundler.onResolve({ filter: /./ }, ({ kind, path }) =>
            kind === 'dynamic-import' && lazy.some((name) => path.endsWith(name))
              ? { path, external: true }
              : undefined,
          )
        },
      },
    ],
  })
  const inputs = Object.values(metafile.inputs).flatMap(({ imports }) => imports)
  return [...new Set([...Object.keys(metafile.inputs), ...inputs.map(({ path }) => path)])]
}

test('oidc-token starts with nothing but its own code, node:net and what that brings', async () => {
  const parts = await partsOf('cli/oidc-token/main.ts', [
    'load-from-disk.ts',
    'help.ts',
    'token-file.ts',
    'inspect.ts',
  ])
  expect(parts.filter((part) => part.startsWith('node_modules/'))).toEqual([])
  expect(parts.filter((part) => part.startsWith('agent/'))).toEqual([])
  // Each more is paid for by every call: measure it (npm run bench) before adding it here.
  expect(parts.filter((part) => part.startsWith('node:')).sort()).toEqual([
    'node:events',
    'node:fs',
    'node:net',
    'node:path',
    'node:timers/promises',
  ])
})

test('and never, whatever it loads later, brings a megabyte of libsodium along', async () => {
  // The shared bundles of build.mjs, which a program only opens when it comes to it.
  const parts = await partsOf('cli/oidc-token/main.ts', ['libsodium-wrappers-sumo', 'signature.ts'])
  const packages = parts
    .filter((part) => part.startsWith('node_modules/'))
    .map((part) => part.split('/')[1])
  expect([...new Set(packages)].sort()).toEqual(['commander', 'env-paths', 'is-safe-filename'])
})
