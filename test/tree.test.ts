import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { VERSION } from '../protocol/version.ts'

const ROOT = join(import.meta.dirname, '..')

function sourceFiles(): string[] {
  return ['agent', 'cli', 'protocol', 'test']
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((path) =>
        join(folder, path),
      ),
    )
    .filter((path) => path.endsWith('.ts') && !/\.(test|d)\.ts$/.test(path))
}

test('the map of CONTRIBUTING.md names every file under its folder, and none that is gone', () => {
  const text = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8')
  const sections = text.split('\n### ').slice(1)
  const mapped = sections.flatMap((section) => {
    const folder = section.slice(0, section.indexOf('/\n'))
    return [...section.matchAll(/^- `([^`]+\.ts)` – \S/gm)].map(
      ([, name]) => `${folder}/${name ?? ''}`,
    )
  })
  const files = sourceFiles().map((path) => `${dirname(path)}/${basename(path)}`)
  expect(mapped.sort()).toEqual(files.sort())
})

test('the version is that of package.json', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    version: string
  }
  expect(VERSION).toBe(version)
})
