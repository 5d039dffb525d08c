import { beforeEach, expect, test } from 'vitest'
import { AgentError } from '../protocol/wire/errors.ts'
import { ConnectionTable, type Crowd, type TableEntry } from './server.ts'

let stopped: string[]

beforeEach(() => {
  stopped = []
})

function table(limit: number): ConnectionTable {
  return new ConnectionTable(limit, () => new AgentError('agent-unreachable', 'full'))
}

function entry(name: string, pid: number, hasRequest = false): TableEntry {
  return { pid, hasRequest, refuse: ({ message }) => void stopped.push(`${name}: ${message}`) }
}

test('as many connections as the limit are held, and none is ended', () => {
  const held = table(3)
  for (const name of ['a', 'b', 'c']) held.add(entry(name, 1))
  expect(held.size).toBe(3)
  expect(stopped).toEqual([])
})

test('one too many ends the oldest idle connection of the process that holds the most', () => {
  const held = table(3)
  held.add(entry('lone', 1))
  held.add(entry('first', 2))
  held.add(entry('second', 2))
  held.add(entry('new', 3))
  expect(stopped).toEqual(['first: full'])
  expect(held.size).toBe(3)
})

test('a connection whose request has arrived is never ended for another one', () => {
  const held = table(2)
  held.add(entry('served', 1, true))
  held.add(entry('also served', 1, true))
  held.add(entry('new', 2))
  expect(stopped).toEqual(['new: full'])
  expect(held.size).toBe(2)
})

test('a process with fewer connections gives way where the largest has no idle one', () => {
  const held = table(3)
  held.add(entry('served', 1, true))
  held.add(entry('also served', 1, true))
  held.add(entry('idle', 2))
  held.add(entry('new', 3, true))
  expect(stopped).toEqual(['idle: full'])
})

test('who is told that there is no room learns which process holds how many', () => {
  const crowds: Crowd[] = []
  const held = new ConnectionTable(2, (crowd) => {
    crowds.push(crowd)
    return new AgentError('agent-busy', 'full')
  })
  for (const name of ['a', 'b', 'c']) held.add(entry(name, 7))
  expect(crowds).toEqual([{ limit: 2, pid: 7, held: 2 }])
})

test('a connection that has ended makes room', () => {
  const held = table(1)
  const first = entry('first', 1)
  held.add(first)
  held.delete(first)
  held.delete(first)
  expect(held.size).toBe(0)
  held.add(entry('second', 1))
  expect(stopped).toEqual([])
})
