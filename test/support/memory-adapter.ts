import type { Adapter, AdapterPayload } from 'oidc-provider'

interface Entry {
  readonly payload: AdapterPayload
  readonly expiresAt: number
}

/**
 * The store of one provider. oidc-provider's own is one for the whole process and forgets grants
 * after a thousand entries, which a benchmark reaches.
 */
export function createMemoryAdapters(): (model: string) => Adapter {
  const entries = new Map<string, Entry>()
  return (model) => memoryAdapter(model, entries)
}

function memoryAdapter(model: string, entries: Map<string, Entry>): Adapter {
  const keyOf = (id: string): string => `${model}:${id}`
  const find = (id: string): AdapterPayload | undefined => {
    const entry = entries.get(keyOf(id))
    // A device code is remembered past its time: its poll is to be told `expired_token`.
    const isKept = entry === undefined || entry.expiresAt > Date.now() || model === 'DeviceCode'
    if (isKept) return entry?.payload
    entries.delete(keyOf(id))
    return undefined
  }
  const findBy = (name: 'uid' | 'userCode', value: string): AdapterPayload | undefined => {
    for (const [key, { payload }] of entries) {
      if (key.startsWith(`${model}:`) && payload[name] === value) return payload
    }
    return undefined
  }
  return {
    find: (id) => Promise.resolve(find(id)),
    findByUid: (uid) => Promise.resolve(findBy('uid', uid)),
    findByUserCode: (userCode) => Promise.resolve(findBy('userCode', userCode)),
    upsert: (id, payload, expiresIn) => {
      const expiresAt = expiresIn === undefined ? Infinity : Date.now() + expiresIn * 1000
      entries.set(keyOf(id), { payload, expiresAt })
      return Promise.resolve()
    },
    consume: (id) => {
      const payload = find(id)
      if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000)
      return Promise.resolve()
    },
    destroy: (id) => {
      entries.delete(keyOf(id))
      return Promise.resolve()
    },
    revokeByGrantId: (grantId) => {
      for (const [key, { payload }] of entries) {
        if (payload.grantId === grantId) entries.delete(key)
      }
      return Promise.resolve()
    },
  }
}
