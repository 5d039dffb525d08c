import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'

/** The four commands: bundled, since start-up time is what a command costs that runs thousands of times a day. */
const commands = ['oidc-agent', 'oidc-gen', 'oidc-add', 'oidc-token']

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  // CommonJS starts some 5 ms faster than ESM on Node 20, and needs no import.meta.
  format: 'cjs',
  minify: true,
  // `import()` becomes `require()`, which does not start Node's ESM loader.
  supported: { 'dynamic-import': false },
  legalComments: 'none',
  logLevel: 'warning',
}

/** Bundles one program. libsodium stays outside, in one file for all: a megabyte to read only where it is used. */
function bundle(entryPoint, outfile, sodium, more = {}) {
  return build({
    ...common,
    entryPoints: [entryPoint],
    outfile,
    alias: { 'libsodium-wrappers-sumo': sodium },
    // koffi is native code, found beside the package: it cannot be bundled.
    external: [sodium, 'koffi'],
    ...more,
  })
}

/** Bundles what `npm run demo` and `npm run bench` run: our own source only, in this checkout only. */
function bundleDev(name) {
  return build({
    ...common,
    entryPoints: [`test/${name}/${name}.ts`],
    outfile: `dist/dev/${name}.mjs`,
    format: 'esm',
    supported: {},
    minify: false,
    packages: 'external',
  })
}

rmSync('dist', { recursive: true, force: true })
mkdirSync('dist/bin', { recursive: true })
// The package is ESM; what is built is CommonJS, so that the commands need no file ending.
writeFileSync('dist/package.json', '{ "type": "commonjs" }\n')

await Promise.all([
  ...commands.map((name) =>
    bundle(`cli/${name}/main.ts`, `dist/bin/${name}`, '../sodium.cjs', {
      banner: { js: '#!/usr/bin/env node' },
    }),
  ),
  bundle('agent/main.ts', 'dist/agent.cjs', './sodium.cjs'),
  bundle('agent/process/argon2-worker.ts', 'dist/argon2-worker.cjs', './sodium.cjs'),
  bundleDev('demo'),
  bundleDev('bench'),
  build({
    ...common,
    stdin: {
      contents: "module.exports = require('libsodium-wrappers-sumo')",
      resolveDir: import.meta.dirname,
    },
    outfile: 'dist/sodium.cjs',
  }),
])
for (const name of commands) chmodSync(`dist/bin/${name}`, 0o755)
