import { expect, test } from 'vitest'
import { fileAnswer, NoFileAnswer } from './file-answers.ts'

const never = (): Promise<never> => new Promise(() => undefined)

test('a file system that does not answer is waited for as long as it may take, and said', async () => {
  const failure = await fileAnswer('a', never, 5).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(NoFileAnswer)
  expect(failure).toMatchObject({
    code: 'file-unreadable',
    message: 'the file system does not answer (waited 0.005 s)',
  })
})

test('an answer and an error of the file system come through', async () => {
  expect(await fileAnswer('b', () => Promise.resolve(1))).toBe(1)
  await expect(fileAnswer('b', () => Promise.reject(new Error('EACCES')))).rejects.toThrow('EACCES')
})

test('equal questions wait for one answer', async () => {
  let asked = 0
  let answer: (value: number) => void = () => undefined
  const ask = (): Promise<number> => {
    asked += 1
    return new Promise((resolve) => {
      answer = resolve
    })
  }
  await expect(fileAnswer('c', ask, 5)).rejects.toBeInstanceOf(NoFileAnswer)
  const later = fileAnswer('c', ask)
  answer(7)
  expect(await later).toBe(7)
  expect(asked).toBe(1)
})

test('any number of questions without an answer leave threads, and keep nobody from files that answered before', async () => {
  expect(await fileAnswer('known', () => Promise.resolve('first'))).toBe('first')
  let asked = 0
  const hang = (): Promise<never> => {
    asked += 1
    return never()
  }
  const hung = Array.from({ length: 100 }, (_, index) => fileAnswer(`dead ${index}`, hang, 5))
  expect((await Promise.allSettled(hung)).every(({ status }) => status === 'rejected')).toBe(true)
  expect(asked).toBeLessThanOrEqual(32)
  expect(await fileAnswer('known', () => Promise.resolve('again'), 5)).toBe('again')
})
