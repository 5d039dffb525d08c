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
  // Native code, found beside the package: it cannot be bundled.
  external: ['koffi'],
  legalComments: 'none',
  logLevel: 'warning',
}

rmSync('dist', { recursive: true, force: true })
mkdirSync('dist/bin', { recursive: true })
// The package is ESM; what is built is CommonJS, so that the commands need no file ending.
writeFileSync('dist/package.json', '{ "type": "commonjs" }\n')

await Promise.all([
  ...commands.map((name) =>
    build({
      ...common,
      entryPoints: [`cli/${name}/main.ts`],
      outfile: `dist/bin/${name}`,
      minify: true,
      banner: { js: '#!/usr/bin/env node' },
    }),
  ),
  build({ ...common, entryPoints: ['agent/main.ts'], outfile: 'dist/agent.cjs', minify: true }),
  build({
    ...common,
    entryPoints: ['agent/process/argon2-worker.ts'],
    outfile: 'dist/argon2-worker.cjs',
    minify: true,
  }),
])
for (const name of commands) chmodSync(`dist/bin/${name}`, 0o755)
