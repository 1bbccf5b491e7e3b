/** Faults planted in a volume, one at a time: the exerciser must find each, and make what it found small. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { done } from '../sched/index.ts'
import { type Volume, VolumeFile } from '../volume/index.ts'
import { inspect } from './inspect.ts'
import { countOf, type Plan } from './operations.ts'
import { planFor } from './plans.ts'
import { exercise, shrink } from './play.ts'
import type { Subject } from './subject.ts'
import { VolumeBackend } from './volume-backend.ts'

interface Planted {
  readonly name: string
  readonly plan: string
  plant(volume: Volume, subjects: readonly Subject[]): void
}

const OPERATIONS_MAX = 40_000
const SMALL = 20

const FAULTS: readonly Planted[] = [
  {
    name: 'a shared block is stored to in place',
    plan: 'dax',
    plant({ parts: { space } }) {
      space.references = ({ end }) => ({ count: 1, end })
      space.exclusiveEnd = ({ end }) => end
    },
  },
  {
    name: 'references are as they were when the block was last looked at',
    plan: 'dax',
    plant({ parts: { space } }) {
      const references = space.references.bind(space)
      const seen = new Map<number, number>()
      space.references = blocks => {
        const { count, end } = references(blocks)
        const early = seen.get(blocks.start) ?? count
        seen.set(blocks.start, count)
        return { count: early, end: early === count ? end : blocks.start + 1 }
      }
    },
  },
  {
    name: 'a clone doesn’t count itself',
    plan: 'volume',
    plant({ parts: { space } }) {
      const share = space.share.bind(space)
      let calls = 0
      space.share = blocks => {
        if (++calls % 4 !== 0) share(blocks)
      }
    },
  },
  {
    name: 'entries stay when a page’s block changes',
    plan: 'dax',
    plant(_volume, subjects) {
      for (const { opened } of subjects) {
        if (opened === undefined || opened instanceof VolumeFile) continue
        const { mappers } = opened.place
        const kept = {
          ...opened.place,
          mappers: without(mappers, 'unmapRange', (_file, start, end) => end === start + 1),
        }
        Object.defineProperty(opened, 'place', { value: kept })
      }
    },
  },
  {
    name: 'a block is stored to although a crash could bring its other owner back',
    plan: 'dax',
    plant({ parts: { space } }) {
      space.exclusiveEnd = ({ end }) => end
    },
  },
  {
    name: 'promises are never given back',
    plan: 'volume',
    plant({ parts: { space } }) {
      space.unreserve = () => {}
    },
  },
  {
    name: 'a clone leaves the pages of its target in the cache',
    plan: 'volume',
    plant(_volume, subjects) {
      for (const { opened } of subjects) if (opened instanceof VolumeFile) opened.drop = () => done
    },
  },
  {
    name: 'a clone doesn’t write the dirty pages of its source',
    plan: 'volume',
    plant(_volume, subjects) {
      for (const { opened } of subjects) if (opened instanceof VolumeFile) opened.settle = () => done
    },
  },
  {
    name: 'a shift leaves the end of the file where it was',
    plan: 'volume',
    plant(_volume, subjects) {
      for (const { opened } of subjects) if (opened instanceof VolumeFile) opened.shifted = () => {}
    },
  },
  {
    name: 'dedupe shares what differs',
    plan: 'volume',
    plant({ remapping }) {
      Object.assign(remapping, { compare: () => done })
    },
  },
  {
    name: 'data isn’t flushed before the commit that points at it',
    plan: 'volume',
    plant({ parts: { disk, scheduler } }) {
      disk.flush = () => {
        const ticket = scheduler.ticket('no flush')
        scheduler.complete(ticket)
        return ticket
      }
    },
  },
  {
    name: 'a sync commits nothing',
    plan: 'volume',
    plant({ parts: { commits, scheduler } }) {
      commits.request = () => {
        const ticket = scheduler.ticket('no commit')
        scheduler.complete(ticket)
        return ticket
      }
    },
  },
]

describe('the exerciser finds a fault planted in a volume:', () => {
  for (const { name, plan: world, plant } of FAULTS)
    it(name, async () => {
      class PlantedBackend extends VolumeBackend {
        /** Whenever a machine has begun. */
        override subjects(): readonly Subject[] {
          const subjects = super.subjects()
          plant(this.volume, subjects)
          return subjects
        }
      }
      const options = {
        make: (plan: Plan) => new PlantedBackend(plan),
        inspect,
        checkEvery: 100,
        lookEvery: 1,
      }
      const plan = planFor(world, { discipline: 'restart', backend: 'memory', seed: 5 })
      const { failure } = await exercise(plan, OPERATIONS_MAX, options)
      assert.ok(failure !== undefined, `${OPERATIONS_MAX} operations found nothing`)
      const smallest = await shrink(failure, options)
      const operations = countOf(smallest.run.rounds)
      assert.ok(
        operations <= SMALL,
        `${operations} operations are left: ${JSON.stringify(smallest.run.rounds).slice(0, 2000)}`,
      )
    })
})

/** `whole` with a method that does nothing where `when` says so. */
function without<Part extends object, Name extends keyof Part>(
  whole: Part,
  name: Name,
  when: (...args: Part[Name] extends (...args: infer Args) => unknown ? Args : never) => boolean,
): Part {
  return new Proxy(whole, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key)
      if (typeof found !== 'function') return found
      return (...args: Parameters<typeof when>) =>
        key === name && when(...args) ? undefined : found.apply(target, args)
    },
  })
}
