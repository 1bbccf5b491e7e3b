/** Is what is played once what is played from the start, and is a recovery the same whatever lies in blocks that it doesn't read? */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Beginnings, playOf } from './beginnings.ts'
import { blockOf, keyOf } from './image.ts'
import { type CrashState, crashStates, DOES_NOT_APPLY } from './play.ts'
import { recover } from './recovery.ts'
import { PAGE } from './stage.ts'
import { type Workload, workloadFrom } from './workloads.ts'

const SEED = 1
const JUNK = blockOf(new Uint8Array(PAGE).fill(0xee))

/** Of one image in so many the recovery is looked at. */
const EACH = 5

/** Workloads that have a beginning, or two, in common. */
const ALIKE = [
  ['cache apart oldest-first', 'write-head', ['', 'commit'], ['clone', 'close-a']],
  ['cache format-1 newest-first', 'upgrade', ['setxattr'], ['collapse', 'unlink-a']],
  ['dax plain-clones oldest-first', 'store-head', ['', 'sync'], ['clone-tail', 'unshare']],
  ['dax-sync clones newest-first', 'store-b', ['msync-head'], ['dedupe', 'exchange']],
] as const

function workloadsAlike([how, first, persists, seconds]: (typeof ALIKE)[number]): Workload[] {
  return seconds.flatMap(second =>
    persists.map(persist => {
      const workload = workloadFrom(
        `${how}: ${[first, persist, second, 'sync'].filter(word => word !== '').join(' ')}`,
      )
      assert.ok(typeof workload === 'object', String(workload))
      return workload
    }),
  )
}

/** Moments, images and what is allowed; and how it ends. */
function told(states: Iterable<CrashState>): string[] {
  const found: string[] = []
  try {
    for (const { moment, choice, image, oracle, when } of states)
      found.push(`${moment}.${choice} ${keyOf(image, oracle.key)} ${when}`)
  } catch (error) {
    if (error !== DOES_NOT_APPLY) throw error
    found.push('and no further')
  }
  return found
}

test('a workload that goes on from what others began with is as if it had been played from its start (BG1)', () => {
  for (const alike of ALIKE) {
    const workloads = workloadsAlike(alike)
    const beginnings = new Beginnings(workloads, SEED, undefined)
    let shared = 0
    for (const workload of workloads) {
      const alone = told(crashStates(playOf(workload, SEED, undefined)))
      const player = beginnings.playerOf(workload)
      shared += player.states
      assert.deepEqual(alone.slice(player.states), told(beginnings.rest(player, workload)), alike[0])
    }
    assert.ok(shared > 0, `${alike[0]}: something was played once`)
  }
})

test('a recovery goes by the records and the blocks that it has read (RVC1)', () => {
  let spoiled = 0
  let noticed = 0
  for (const alike of ALIKE) {
    const [workload] = workloadsAlike(alike)
    const { mode } = workload!
    let number = 0
    for (const { image } of crashStates(playOf(workload!, SEED, undefined))) {
      if (number++ % EACH !== 0) continue
      const { verdict, reads } = recover(image, mode)
      const blocks = image.blocks.map((block, number) => (reads.has(number) ? block : JUNK))
      assert.deepEqual(recover({ ...image, blocks }, mode), { verdict, reads })
      spoiled += image.blocks.length - reads.size
      const last = [...reads].at(-1)
      const spoilt = image.blocks.map((block, number) => (number === last ? JUNK : block))
      if (recover({ ...image, blocks: spoilt }, mode).verdict.wrong !== verdict.wrong) noticed++
    }
  }
  assert.ok(spoiled > 0, 'there are blocks that aren’t read')
  assert.ok(noticed > 0, 'of a block that was read it is noticed')
})
