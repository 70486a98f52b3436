import fc from 'fast-check'
import { expect, test } from 'vitest'
import { arrangeSlots } from './slots.ts'

const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'))

test('arrangeSlots() holds exactly what is wanted', () => {
  fc.assert(
    fc.property(names, names, (current, wanted) => {
      expect(arrangeSlots(current, wanted).sort()).toEqual([...wanted].sort())
    }),
  )
})

test('arrangeSlots() moves only what must fill a gap', () => {
  fc.assert(
    fc.property(names, names, (current, wanted) => {
      const slots = arrangeSlots(current, wanted)
      const moved = current.filter((name, index) => wanted.includes(name) && slots[index] !== name)
      const beyond = current.filter((name, index) => wanted.includes(name) && index >= slots.length)
      expect(moved.sort()).toEqual(beyond.sort())
    }),
  )
})

test('arrangeSlots() fills holes of a table read from the kernel', () => {
  const holes = [undefined, 'b', undefined, 'd'] as unknown as string[]
  expect(arrangeSlots(holes, ['b', 'd'])).toEqual(['d', 'b'])
})
