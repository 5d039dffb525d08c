import { join } from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')

/** The files in the bundle of a program, and the modules of Node that it imports. */
async function partsOf(entry: string, lazy: readonly string[]): Promise<readonly string[]> {
  const { metafile } = await build({
    entryPoints: [join(root, entry)],
    absWorkingDir: root,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'cjs',
    // Loaded by hideMemory only, as in build.mjs.
    external: ['koffi'],
    // A dynamic import is loaded only when it is needed, and does not count.
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

/** The names of the packages among the files of a bundle. */
function packagesOf(parts: readonly string[]): readonly string[] {
  // node_modules may be a link to another place.
  const names = parts.flatMap((part) => /(?:^|\/)node_modules\/([^/]+)/.exec(part)?.[1] ?? [])
  return [...new Set(names)].sort()
}

test('oidc-token starts with its own code and five modules of Node, without any package', async () => {
  const parts = await partsOf('cli/oidc-token/main.ts', [
    'load-from-disk.ts',
    'help.ts',
    'token-file.ts',
    'inspect.ts',
    'call-sealed.ts',
    'long-wait.ts',
  ])
  expect(packagesOf(parts)).toEqual([])
  expect(parts.filter((part) => part.startsWith('agent/'))).toEqual([])
  // Every call pays for one more: measure it (npm run bench) before it is added here.
  expect(parts.filter((part) => part.startsWith('node:')).sort()).toEqual([
    'node:events',
    'node:fs',
    'node:net',
    'node:path',
    'node:timers/promises',
  ])
})

test('oidc-token never loads libsodium into its own bundle, whatever it does', async () => {
  // The shared bundles of build.mjs, which a program opens only when it needs them.
  const parts = await partsOf('cli/oidc-token/main.ts', ['libsodium-wrappers-sumo', 'signature.ts'])
  expect(packagesOf(parts)).toEqual(['commander', 'env-paths', 'is-safe-filename'])
})
