import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { newKeyPair, openSealedChannel } from '../../protocol/wire/encryption.ts'
import { loadSodium } from '../../protocol/wire/sodium.ts'
import { decodeBase64, encodeBase64 } from '../../protocol/wire/text.ts'
import { isRunning } from '../support/process-table.ts'
import { RawClient } from '../support/raw-client.ts'
import { type Attack, type AttackOptions, numbersFrom, type Outcome } from './attack.ts'
import { Logins } from './logins.ts'
import { messages } from './messages.ts'

/** As many as the agent had survived when this was written; more if there is time. */
const LEAST = 6400
const BATCH = 256
/** What a message that is not whole is waited for, milliseconds: the agent rightly waits for its rest. */
const PATIENCE_MS = 200
/** The agent is busy with up to {@link BATCH} messages, then it answers. */
const ANSWER_MS = 10_000

/** Requests that are nearly right, over the plain socket. */
export const plainFuzz: Attack = {
  name: 'fuzz of the socket, plain',
  weight: 2,
  run: (options) => fuzz(options, sendPlain),
}

/** The same inside the C clients' encryption, and damaged after it. */
export const sealedFuzz: Attack = {
  name: 'fuzz of the socket, sealed',
  weight: 2,
  run: (options) => fuzz(options, sendSealed),
}

type Send = (path: string, message: Buffer, random: () => number) => Promise<void>

async function fuzz({ contender, seconds, seed }: AttackOptions, send: Send): Promise<Outcome> {
  const logins = await Logins.open()
  const random = numbersFrom(seed)
  let sent = 0
  try {
    await logins.write('login0')
    const agent = await contender.start(logins.sandbox)
    await contender.load(logins.sandbox, agent, 'login0')
    const until = performance.now() + seconds * 1000
    let answers = true
    // The C program is not asked for a count: it only has its share of the time.
    const enough = (): boolean => performance.now() > until && (sent >= LEAST || !contender.isOurs)
    while (answers && !enough()) {
      const batch = fc.sample(messages, { numRuns: BATCH, seed: seed + sent })
      await Promise.all(
        batch.map((message) => send(agent.socketPath, message, random).catch(() => undefined)),
      )
      sent += batch.length
      answers = isRunning(agent.pid) && (await answersCheck(agent.socketPath))
    }
    const ended = isRunning(agent.pid) ? 'answers no more' : 'dead'
    return {
      did: `${sent} messages, seed ${seed}`,
      result: answers ? 'alive' : `${ended} after ${sent}`,
      bound: `alive after ${LEAST} or more`,
      ok: answers,
    }
  } finally {
    await logins.close()
  }
}

/** Sends a message and waits for the end of the connection, at most {@link PATIENCE_MS}. */
async function sendPlain(path: string, message: Buffer): Promise<void> {
  const client = await RawClient.open(path)
  await client.send(message)
  await ended(client)
}

async function sendSealed(path: string, message: Buffer, random: () => number): Promise<void> {
  const sodium = await loadSodium()
  const keyPair = newKeyPair()
  const client = await RawClient.open(path)
  await client.send(encodeBase64(keyPair.publicKey))
  const peerKey = decodeBase64(await within(client.someReply()))
  if (peerKey?.length !== 32) {
    client.vanish()
    return
  }
  const text = openSealedChannel(sodium, peerKey, keyPair).seal(message.toString('latin1'))
  await client.send(random() < 0.5 ? text : damaged(text, random))
  await ended(client)
}

function damaged(text: string, random: () => number): string {
  const at = Math.floor(random() * text.length)
  const kind = random()
  if (kind < 0.3) return text.slice(0, at)
  if (kind < 0.6)
    return `${text.slice(0, at)}${String.fromCharCode(32 + random() * 95)}${text.slice(at + 1)}`
  if (kind < 0.8) return text.replace(/^\d+/, String(Math.floor(random() * 2 ** 40) - 5))
  return text + text
}

async function ended(client: RawClient): Promise<void> {
  await within(client.reply())
  client.vanish()
}

/** What was received, or nothing after {@link PATIENCE_MS}. */
async function within(reply: Promise<string>): Promise<string> {
  const patience = new AbortController()
  const tooLate = pause(PATIENCE_MS, '', { signal: patience.signal }).catch(() => '')
  const received = await Promise.race([reply.catch(() => ''), tooLate])
  patience.abort()
  return received
}

async function answersCheck(path: string): Promise<boolean> {
  const client = await RawClient.open(path).catch(() => undefined)
  if (client === undefined) return false
  await client.send('{"request":"check"}')
  const timer = setTimeout(() => client.vanish(), ANSWER_MS)
  const reply = await client.reply()
  clearTimeout(timer)
  return reply.includes('success')
}
