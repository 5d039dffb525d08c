import { setTimeout as wait } from 'node:timers/promises'
import type { Alteration, Fault, Replacement, Strike } from './faults.ts'
import { hostile } from './hostile.ts'
import type { Provider } from './provider.ts'
import { type Answer, type Fields, html } from './response.ts'

const HUGE_BYTES = 10_000_000

const REPLACEMENTS: readonly string[] = [
  'status',
  'refusal',
  'html',
  'redirect',
] satisfies readonly Replacement['kind'][]
const ALTERATIONS: readonly string[] = [
  'members',
  'without',
  'hostile',
  'content-type',
  'truncated-json',
  'huge-body',
] satisfies readonly Alteration['kind'][]

/** Whether the request is carried out at all. */
export function isCarriedOut(applyFaults: Strike | undefined): boolean {
  if (applyFaults === undefined || applyFaults.afterEffect) return true
  return !applyFaults.faults.some(
    (fault) =>
      isReplacement(fault) || fault.kind === 'hang-before-headers' || fault.kind === 'reset',
  )
}

/** Waits as long as the faults say, or until the client has gone. */
export async function delay(faults: readonly Fault[], gone: AbortSignal): Promise<void> {
  for (const fault of faults) {
    if (fault.kind === 'latency') await wait(fault.ms, undefined, { signal: gone }).catch(ignored)
    if (fault.kind === 'hold') await fault.until
  }
}

/** The answer as the faults leave it. */
export function altered(provider: Provider, answer: Answer, faults: readonly Fault[]): Answer {
  return faults.reduce((one, fault) => {
    if (isReplacement(fault)) return replacement(provider, fault)
    return isAlteration(fault) ? alter(one, fault) : one
  }, answer)
}

function isReplacement(fault: Fault): fault is Replacement {
  return REPLACEMENTS.includes(fault.kind)
}

function isAlteration(fault: Fault): fault is Alteration {
  return ALTERATIONS.includes(fault.kind)
}

function replacement(provider: Provider, fault: Replacement): Answer {
  switch (fault.kind) {
    case 'status':
      return { status: fault.status, headers: fault.headers ?? {}, body: fault.body }
    case 'refusal':
      return provider.settings.refusals[fault.reason](fault.about ?? '', '')
    case 'html':
      return html(fault.status ?? 200, 'Sign in to the network', '<p>It is free.</p>')
    case 'redirect': {
      const location = fault.to ?? `${provider.origin}/elsewhere`
      return { status: fault.status ?? 307, headers: { location }, body: undefined }
    }
  }
}

function alter(answer: Answer, fault: Alteration): Answer {
  switch (fault.kind) {
    case 'members':
      return { ...answer, body: { ...objectOf(answer), ...fault.members } }
    case 'without':
      return { ...answer, body: without(objectOf(answer), fault.members) }
    case 'hostile':
      return { ...answer, body: hostile(objectOf(answer), fault.except) as Fields }
    case 'content-type':
      return { ...withText(answer), headers: { ...answer.headers, 'content-type': fault.type } }
    case 'truncated-json': {
      const { headers, body } = withText(answer)
      return { status: answer.status, headers, body: body.slice(0, Math.floor(body.length / 2)) }
    }
    case 'huge-body': {
      const padding = 'x'.repeat(fault.bytes ?? HUGE_BYTES)
      return { ...answer, body: { padding, ...objectOf(answer) } }
    }
  }
}

/** The answer as text, under the content type it would have had as an object. */
function withText(answer: Answer): Answer & { body: string } {
  const isObject = typeof answer.body === 'object'
  const headers = isObject
    ? { 'content-type': 'application/json', ...answer.headers }
    : answer.headers
  return { ...answer, headers, body: isObject ? JSON.stringify(answer.body) : (answer.body ?? '') }
}

function objectOf({ body }: Answer): Fields {
  return typeof body === 'object' ? body : {}
}

function without(body: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)))
}

function ignored(): void {
  // The client has gone; whatever the answer is now, nobody reads it.
}
