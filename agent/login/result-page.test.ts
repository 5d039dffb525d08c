import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type LoginResult, resultPage } from './result-page.ts'

const login = { account: 'wlcg', issuer: 'https://op.example' }
const results: readonly LoginResult[] = [
  { kind: 'success', login, onlyAccessToken: false },
  { kind: 'success', login, onlyAccessToken: true },
  { kind: 'denied', login, reason: 'access_denied: the person said no' },
  { kind: 'failed', login, reason: 'invalid_grant' },
  { kind: 'expired', login },
  { kind: 'locked', login },
  { kind: 'unknown' },
]

describe.each(results)('the page for a login with the result $kind', (result) => {
  const { headers, html, status } = resultPage(result)

  test(`${result.kind}: the page may not load, run or send anything, and has only its own style`, () => {
    const style = /<style>([^]*?)<\/style>/.exec(html)?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    const policy = headers['content-security-policy']
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain(`style-src 'sha256-${hash}'`)
    expect(policy).not.toContain('unsafe')
    expect(html).not.toMatch(
      /<script|<link|<img|<form|<iframe|\son\w+=|\sstyle=|\shref=|\ssrc=|url\(/i,
    )
    expect(html).not.toMatch(/https?:\/\/(?!op\.example)/)
  })

  test(`${result.kind}: the page is not cached, and its URL is not passed on`, () => {
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'content-type': 'text/html; charset=utf-8',
    })
  })

  test(`${result.kind}: the page fits a phone and names the result, the account and the provider`, () => {
    expect(html).toContain('name="viewport" content="width=device-width, initial-scale=1"')
    expect(html).toMatch(/<title>[^<]+ · oidc-agent<\/title>/)
    expect(status === 200).toBe(result.kind === 'success')
    if (result.kind === 'unknown') return
    expect(html).toContain('<bdi>wlcg</bdi>')
    expect(html).toContain('<bdi>https://op.example</bdi>')
  })
})

test('the page has different labels for an error of the provider and another reason', () => {
  expect(resultPage({ kind: 'denied', login, reason: 'no' }).html).toContain('<dt>Error</dt>')
  const unreached = { kind: 'failed', login, reason: 'could not connect to url' } as const
  expect(resultPage(unreached).html).toContain('<dt>Reason</dt>')
})

test('no text of a provider or an account becomes markup of the page', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '<script>alert(1)</script>',
      '"><b>',
      "' onload='x",
      '&lt;',
      '</style>',
      '</dd>',
    ),
  )
  const tags = (html: string): readonly string[] => html.match(/<[^>]*>/g) ?? []
  const plain = tags(resultPage({ kind: 'denied', login, reason: 'no' }).html)
  fc.assert(
    fc.property(text, text, text, (account, issuer, reason) => {
      const shown = { account: `a${account}`, issuer: `i${issuer}` }
      const page = resultPage({ kind: 'denied', login: shown, reason: `r${reason}` })
      expect(tags(page.html)).toEqual(plain)
    }),
  )
})

test('the page has no control or format characters of a reason, and cuts a long one', () => {
  const reason = `safe\u202egnp.exe\u0000\u001b[2J ${'x'.repeat(10_000)}`
  const { html } = resultPage({ kind: 'denied', login, reason })
  expect(html).not.toMatch(/[\u202e\u0000\u001b]/)
  expect(html.length).toBeLessThan(7000)
  expect(html).toContain('…')
})
