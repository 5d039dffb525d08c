import { builtinModules } from 'node:module'
import { posix, relative } from 'node:path'
import tseslint from 'typescript-eslint'

/**
 * The rooms of the house, each with the rooms it may import from, directly or through another one. A room
 * is a folder and all below it, except rooms of their own. The drawing in CONTRIBUTING.md shows this table.
 * As each room comes after all that it imports from, there is no circle between rooms.
 */
const rooms = {
  'protocol/wire': [],
  'protocol/client': ['protocol/wire'],
  'protocol/process': [],
  'protocol/storage': ['protocol/wire'],
  'agent/process': ['protocol/process', 'protocol/storage'],
  'agent/http': ['protocol/wire', 'protocol/storage'],
  'agent/providers': ['agent/http'],
  'agent/oauth': ['agent/providers'],
  'agent/accounts': ['agent/oauth'],
  'agent/tokens': ['agent/accounts'],
  'agent/token-files': ['agent/tokens'],
  'agent/login': ['agent/token-files'],
  'agent/handlers': ['agent/login'],
  agent: ['agent/handlers', 'agent/process'],
  cli: ['protocol/client', 'protocol/process', 'protocol/storage'],
  'cli/oidc-add': ['cli'],
  'cli/oidc-agent': ['cli'],
  'cli/oidc-condor-storer': ['cli'],
  'cli/oidc-gen': ['cli'],
  'cli/oidc-token/inspect': ['cli'],
  'cli/oidc-token': ['cli/oidc-token/inspect'],
  'cli/oidc-tokensh': ['cli'],
}

/** Everything a room may import from, in any number of steps. */
function reach(room) {
  return new Set(rooms[room].flatMap((other) => [other, ...reach(other)]))
}

/** Packages and modules that enter by one door each. */
const doors = [
  { names: ['openid-client', 'undici'], rooms: ['agent/oauth'] },
  { names: ['jose'], rooms: ['agent/oauth'], files: ['cli/oidc-token/inspect/signature.ts'] },
  { names: ['libsodium-wrappers-sumo'], files: ['protocol/wire/sodium.ts'] },
  { names: ['commander'], files: ['cli/help.ts'] },
  { names: ['env-paths'], files: ['protocol/storage/config-directory.ts'] },
  { names: ['koffi'], rooms: ['protocol/process'] },
  // The browser comes back to a web server of the agent's own, on the loopback addresses only.
  { names: ['node:http', 'node:https', 'node:tls'], rooms: ['agent/http', 'agent/login'] },
]

/**
 * Files of the room agent that only the room of handlers may import. The others (the log, the clock, …) are
 * for all rooms of the agent.
 */
const composition = ['context', 'daemon', 'dispatch', 'main', 'server']

/** The room of a file: the innermost one around it. */
function roomOf(path) {
  const around = Object.keys(rooms).filter((room) => path.startsWith(`${room}/`))
  return around.sort((one, other) => other.length - one.length)[0]
}

/** Why `file` may not import the file `target`; undefined if it may. */
function wallBefore(target, file) {
  const room = roomOf(file)
  const other = roomOf(target)
  if (room === undefined) return `${file} is in no room: see "rooms" in eslint.config.js`
  if (other === room || reach(room).has(other)) return undefined
  if (other === 'agent' && room.startsWith('agent/')) {
    const isComposition = composition.includes(posix.basename(target, '.ts'))
    if (room === 'agent/handlers' || !isComposition) return undefined
    return 'only the room of handlers knows how the agent is put together'
  }
  return `${room} does not import from ${other ?? target}: see "rooms" in eslint.config.js`
}

/** Why `file` may not import the package or module `name`; undefined if it may. */
function doorBefore(name, file) {
  const door = doors.find(({ names }) => names.some((one) => `${name}/`.startsWith(`${one}/`)))
  if (door === undefined) return undefined
  const { rooms: to = [], files = [] } = door
  if (to.includes(roomOf(file)) || files.includes(file)) return undefined
  return `${name} enters only in ${[...to, ...files].join(', ')}: see "doors" in eslint.config.js`
}

/** Checks each import of a file, also the dynamic ones, which no-restricted-imports leaves out. */
const walls = {
  create(context) {
    const file = relative(import.meta.dirname, context.filename)
    const check = ({ source }) => {
      if (typeof source?.value !== 'string') return
      const name = source.value
      const message = name.startsWith('.')
        ? wallBefore(posix.join(posix.dirname(file), name), file)
        : doorBefore(name, file)
      if (message !== undefined) context.report({ node: source, message })
    }
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
    }
  },
}

const bareBuiltins = builtinModules.map((name) => ({ name, message: `write node:${name}` }))

export default tseslint.config(
  { ignores: ['dist/**', 'coverage/**', 'node_modules/**', '.stryker-tmp/**', 'reports/**'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js', '*.mjs'] } },
    },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      complexity: ['error', 10],
      'max-depth': ['error', 3],
      'max-params': ['error', 4],
      'max-lines': ['error', { max: 350 }],
      'no-console': 'error',
      'no-restricted-imports': ['error', { paths: bareBuiltins }],
    },
  },
  { files: ['*.js', '*.mjs', '*.ts'], ...tseslint.configs.disableTypeChecked },
  {
    files: ['{agent,cli,protocol}/**/*.ts'],
    ignores: ['**/*.test.ts', 'cli/test-io.ts'],
    plugins: { house: { rules: { walls } } },
    rules: { 'house/walls': 'error' },
  },
  // Every request and reply is read in one place, on purpose.
  { files: ['protocol/wire/messages.ts'], rules: { 'max-lines': ['error', { max: 550 }] } },
  { files: ['**/*.test.ts', 'test/**/*.ts'], rules: { 'max-lines': ['error', { max: 400 }] } },
)
