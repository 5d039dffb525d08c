import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import ts from 'typescript'

/** The commands: bundled, since start-up time is what a command costs that runs thousands of times a day. */
const commands = [
  'oidc-agent',
  'oidc-gen',
  'oidc-add',
  'oidc-token',
  'oidc-tokensh',
  'oidc-condor-storer',
]

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

/**
 * Packages that are loaded only where they are used, and large: each has a file of its own, shared by
 * all programs, so that nobody reads it who does not need it.
 */
const shared = {
  'libsodium-wrappers-sumo': 'sodium.cjs',
  commander: 'commander.cjs',
  jose: 'jose.cjs',
}
/** The agent has only the part of jose that openid-client needs, in its own bundle. */
const notShared = { 'agent.cjs': ['jose'] }

/** Bundles one program into `dist`. */
function bundle(entryPoint, outfile, more = {}) {
  const up = outfile.startsWith('bin/') ? '..' : '.'
  const files = Object.entries(shared)
    .filter(([name]) => notShared[outfile]?.includes(name) !== true)
    .map(([name, file]) => [name, `${up}/${file}`])
  return build({
    ...common,
    entryPoints: [entryPoint],
    outfile: `dist/${outfile}`,
    alias: Object.fromEntries(files),
    // koffi is native code, found beside the package: it cannot be bundled.
    external: [...files.map(([, file]) => file), 'koffi'],
    ...more,
  })
}

function bundleShared([name, file]) {
  const contents = `module.exports = require('${name}')`
  return build({
    ...common,
    stdin: { contents, resolveDir: import.meta.dirname },
    outfile: `dist/${file}`,
  })
}

/** Bundles what `npm run demo`, `bench` and `endurance` run: our own source only, in this checkout only. */
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

/**
 * Bundles what programs import by the package's name: readable, and ESM, which Node lets `require` too.
 * libsodium stays in its own file, which is imported for a call over TCP only.
 */
function bundleLibrary() {
  return build({
    ...common,
    entryPoints: ['protocol/client/library.ts'],
    outfile: 'dist/library.mjs',
    alias: { 'libsodium-wrappers-sumo': './sodium.cjs' },
    external: ['./sodium.cjs'],
    format: 'esm',
    supported: {},
    minify: false,
  })
}

/** Writes the types of the library: file by file, since `tsc` has judged the sources already. */
function writeLibraryTypes() {
  mkdirSync('dist/types', { recursive: true })
  writeFileSync('dist/types/package.json', '{ "type": "module" }\n')
  const waiting = ['client/library']
  for (const name of waiting) {
    const source = readFileSync(`protocol/${name}.ts`, 'utf8')
    const compilerOptions = { target: ts.ScriptTarget.ES2023, declaration: true }
    const { outputText } = ts.transpileDeclaration(source, { compilerOptions })
    mkdirSync(dirname(`dist/types/${name}`), { recursive: true })
    writeFileSync(
      `dist/types/${name}.d.ts`,
      outputText.replaceAll(/(?<= from ')(\.[\w./-]+)\.ts(?=')/g, (_, imported) => {
        const path = join(dirname(name), imported)
        if (!waiting.includes(path)) waiting.push(path)
        return `${imported}.js`
      }),
    )
  }
}

rmSync('dist', { recursive: true, force: true })
mkdirSync('dist/bin', { recursive: true })
// The package is ESM; what is built is CommonJS, so that the commands need no file ending.
writeFileSync('dist/package.json', '{ "type": "commonjs" }\n')

await Promise.all([
  ...commands.map((name) =>
    bundle(`cli/${name}/main.ts`, `bin/${name}`, {
      banner: { js: '#!/usr/bin/env node' },
    }),
  ),
  bundle('agent/main.ts', 'agent.cjs', { inject: ['agent/oauth/fetch-types.ts'] }),
  bundle('agent/process/argon2-worker.ts', 'argon2-worker.cjs'),
  ...Object.entries(shared).map(bundleShared),
  bundleLibrary(),
  bundleDev('demo'),
  bundleDev('bench'),
  bundleDev('endurance'),
])
writeLibraryTypes()
for (const name of commands) chmodSync(`dist/bin/${name}`, 0o755)
