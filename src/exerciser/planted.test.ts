/** Faults planted in the engine, one at a time: the exerciser must find each, and make what it found small. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { US } from '../base/index.ts'
import { replace } from '../rig/index.ts'
import { done, type Task, type Verb } from '../sched/index.ts'
import type { ForkArgs } from '../space/index.ts'
import { type Backend, MemoryBackend } from './backend.ts'
import { countOf, type Plan } from './operations.ts'
import { planFor } from './plans.ts'
import { exercise, shrink } from './play.ts'

interface Planted {
  readonly name: string
  readonly plan: string
  plant(engine: Backend['engine']): void
}

const OPERATIONS_MAX = 40_000
const SMALL = 14

const FAULTS: readonly Planted[] = [
  {
    name: 'writeback leaves entries writable',
    plan: 'tiny',
    plant({ cache }) {
      replace(cache, 'mappers', mappers => proxy(mappers, { writeProtect() {} }))
    },
  },
  {
    name: 'bytes past the end of the file are not zeroed',
    plan: 'tiny',
    plant({ cache }) {
      cache.zeroTail = () => {}
    },
  },
  {
    name: 'truncation leaves entries in place',
    plan: 'tiny',
    plant({ cache }) {
      replace(cache, 'mappers', mappers => proxy(mappers, { unmapRange() {} }))
    },
  },
  {
    name: 'truncation leaves private copies',
    plan: 'tiny',
    plant({ cache }) {
      replace(cache, 'mappers', mappers =>
        proxy(mappers, {
          unmapRange: (file, start, end) => mappers.unmapRange(file, start, end, 'shared pages'),
        }),
      )
    },
  },
  {
    name: 'a punch takes private copies',
    plan: 'tiny',
    plant({ cache }) {
      replace(cache, 'mappers', mappers =>
        proxy(mappers, {
          unmapRange: (file, start, end) => mappers.unmapRange(file, start, end, 'with private copies'),
        }),
      )
    },
  },
  {
    name: 'now and then a dirty page is forgotten',
    plan: 'tiny',
    plant({ cache }) {
      const setDirty = cache.setDirty.bind(cache)
      let calls = 0
      cache.setDirty = (file, frame, group) => {
        if (file.name !== 'file' || ++calls % 4 !== 0) setDirty(file, frame, group)
      }
    },
  },
  {
    name: 'an entry is writable before its page is dirty',
    plan: 'tiny',
    plant({ cache, scheduler, memory }) {
      const setDirty = cache.setDirty.bind(cache)
      const later: Verb<{ due: boolean; set(): void }> = {
        name: 'later',
        attempt({ args }) {
          if (args.due) args.set()
          if (args.due) return done
          args.due = true
          return {
            kind: 'wait',
            why: 'timer',
            ticket: scheduler.after(100 * US, 'later'),
            stash: 0,
            on: undefined,
          }
        },
      }
      cache.setDirty = (file, frame, group) => {
        const index = memory.frames.index[frame]!
        if (file.name !== 'file') return setDirty(file, frame, group)
        const set = () => {
          if (cache.find(file.id, index) === frame) setDirty(file, frame, group)
        }
        scheduler.spawn(later, { due: false, set }, { name: 'later', group: 1 })
      }
    },
  },
  {
    name: 'fork leaves the pages of the parent writable',
    plan: 'tiny',
    plant({ verbs }) {
      const attempt = verbs.fork.attempt.bind(verbs.fork)
      verbs.fork.attempt = (task: Task<ForkArgs>) => {
        const { table } = task.args.space
        const before = [...table.used(0, 4096)].map(vpn => [vpn, table.get(vpn)] as const)
        const outcome = attempt(task)
        if (outcome.kind === 'done') for (const [vpn, entry] of before) table.set(vpn, entry)
        return outcome
      }
    },
  },
  {
    name: 'an error of writeback counts as success',
    plan: 'broken',
    plant({ io }) {
      replace(io, 'onEnd', end => bio => {
        if (bio.purpose === 'writeback') bio.errno = 0
        end(bio)
      })
    },
  },
  {
    name: 'no space is set aside before a store',
    plan: 'full',
    plant({ cache }) {
      const add = cache.add.bind(cache)
      cache.add = (name, size, backing) => {
        backing.reserve = () => done
        return add(name, size, backing)
      }
    },
  },
]

describe('the exerciser finds a planted fault:', () => {
  for (const fault of FAULTS)
    it(fault.name, async () => {
      const make = (plan: Plan, content: Uint8Array): Backend => {
        const backend = new MemoryBackend(plan, content)
        fault.plant(backend.engine)
        return backend
      }
      const plan = planFor(fault.plan, { discipline: 'restart', backend: 'memory', seed: 5 })
      const { failure } = await exercise(plan, OPERATIONS_MAX, { make })
      assert.ok(failure !== undefined, `${OPERATIONS_MAX} operations found nothing`)
      const smallest = await shrink(failure, { make })
      const operations = countOf(smallest.run.rounds)
      assert.ok(
        operations <= SMALL,
        `${operations} operations are left: ${JSON.stringify(smallest.run.rounds)}`,
      )
    })
})

/** `whole` with some of its methods replaced. */
function proxy<T extends object>(whole: T, replaced: Partial<T>): T {
  return new Proxy(whole, {
    get(target, name) {
      const found = Reflect.get(replaced, name) ?? Reflect.get(target, name)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
}
