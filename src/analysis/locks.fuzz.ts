/**
 *     node src/analysis/locks.fuzz.ts [--seed 1] [--count 100000] [--mode pairing|damaged]
 *
 * Generated traces of several tasks and mms, printed as text, read, and compared with a brute-force reading.
 *
 * Invariants checked: every wait and hold that the generator made is told, with its ends, its mode and its downgrade, and no
 * other; a lost release is healed, and its hold not told. Task names are chosen to hurt: spaces, dashes, brackets, colons.
 */
import assert from 'node:assert/strict'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Prng } from '../base/index.ts'
import { Kind, type TraceRecord } from '../trace/record.ts'
import { TextReader } from '../trace/text.ts'
import { checkMany } from './damaged.fuzz.ts'
import { type Hold, Locks, type Wait } from './locks.ts'

const NAMES = [
  'a b',
  'x-1 [000] 2',
  'k:w/0:1',
  '-',
  ']: [',
  'mm=1 write=',
  '12 34-5',
  '<...>',
  'prev_pid=3',
  '==> ',
]
const STEPS_MAX = 60
const TASKS_MAX = 4
const MMS = ['00000000aaaaaaaa', '00000000bbbbbbbb', '00000000cccccccc']

export interface Compared {
  readonly told: readonly string[]
  readonly expected: readonly string[]
  readonly text: string
}

export function compareOne(seed: number): Compared {
  const prng = new Prng(seed)
  const { text, expected } = generate(prng)
  const told: string[] = []
  const locks = new Locks({
    waited: wait => told.push(waitText(wait)),
    held: hold => told.push(holdText(hold)),
  })
  const reader = new TextReader((record: TraceRecord) => {
    if (record.kind === Kind.start || record.kind === Kind.acquired || record.kind === Kind.released)
      locks.event(record)
  })
  for (let at = 0; at < text.length; ) {
    const length = 1 + prng.below(400)
    reader.push(Buffer.from(text.slice(at, at + length)))
    at += length
  }
  reader.end()
  for (const wait of locks.openWaits()) told.push(`open ${waitText(wait)}`)
  for (const hold of locks.openHolds()) told.push(`open ${holdText(hold)}`)
  return { told: told.sort(), expected: expected.sort(), text }
}

const waitText = (wait: Wait): string =>
  `wait ${wait.tid} ${wait.mm} ${wait.write} ${us(wait.start)} ${us(wait.end)} ${wait.success}`
const holdText = (hold: Hold): string =>
  `hold ${hold.tid} ${hold.mm} ${hold.write} ${us(hold.start)} ${us(hold.end)} ${us(hold.downgraded)}`
const us = (ns: number): number => (ns === -1 ? -1 : Math.round(ns / 1000))

/** Plays a lock the slow way: per step it looks at lists of what each task does, and writes down what ends. */
function generate(prng: Prng): { text: string; expected: string[] } {
  const expected: string[] = []
  const lines: string[] = []
  const tids = Array.from({ length: 1 + prng.below(TASKS_MAX) }, (_, at) => 100 + at)
  const names = tids.map(() => NAMES[prng.below(NAMES.length)]!)
  let waits: Wait[] = []
  let holds: Hold[] = []
  let at = 0
  const step = (who: number, event: string, mm: string, rest: string) => {
    const time = `${Math.floor(at / 1e9)}.${String(Math.round((at % 1e9) / 1000)).padStart(6, '0')}`
    lines.push(
      `${names[who]!.padStart(16)}-${tids[who]}   [001] d..2. ${time}: mmap_lock_${event}: mm=${mm} memcg_id=1 ${rest}`,
    )
  }
  const end = prng.below(STEPS_MAX)
  for (let n = 0; n < end; n++) {
    at += 1000 * (1 + prng.below(50))
    const who = prng.below(tids.length)
    const tid = tids[who]!
    const any = MMS[prng.below(MMS.length)]!
    // A task that waits does nothing else.
    const mm = waits.find(each => each.tid === tid)?.mm ?? any
    const wait = waits.find(each => each.tid === tid && each.mm === mm)
    const hold = holds.find(each => each.tid === tid && each.mm === mm)
    const others = holds.filter(each => each.mm === mm && each.tid !== tid)
    if (wait !== undefined) {
      const isFree = wait.write ? others.length === 0 : others.every(each => !each.write)
      const isHealing = !isFree && prng.below(10) === 0
      const success = isFree || isHealing ? prng.below(5) !== 0 : false
      if (!success && prng.below(2) === 0) continue
      step(who, 'acquire_returned', mm, `write=${wait.write} success=${success}`)
      waits = waits.filter(each => each !== wait)
      expected.push(waitText({ ...wait, end: at, success }))
      if (!success) continue
      // The releases of those in the way were lost: their holds are never told.
      holds = holds.filter(each => each.mm !== mm || (!wait.write && !each.write))
      holds.push({ tid, mm, write: wait.write, start: at, end: -1, downgraded: -1, begun: true })
    } else if (hold === undefined) {
      const write = prng.below(2) === 0
      step(who, 'start_locking', mm, `write=${write}`)
      waits.push({ tid, mm, write, start: at, order: n, end: -1, success: false, begun: true })
    } else if (hold.write && prng.below(3) === 0) {
      step(who, 'acquire_returned', mm, 'write=false success=true')
      hold.write = false
      hold.downgraded = at
    } else {
      step(who, 'released', mm, `write=${hold.write}`)
      holds = holds.filter(each => each !== hold)
      expected.push(holdText({ ...hold, end: at }))
    }
  }
  expected.push(
    ...waits.map(each => `open ${waitText(each)}`),
    ...holds.map(each => `open ${holdText(each)}`),
  )
  return { text: lines.map(line => `${line}\n`).join(''), expected }
}

/** Compares `count` traces from `seed` on; the number of waits and holds that were told. */
export function compareMany(seed: number, count: number): number {
  let compared = 0
  for (let at = seed; at < seed + count; at++) {
    const { told, expected, text } = compareOne(at)
    assert.deepEqual(told, expected, `--seed ${at} --count 1\n${text}`)
    compared += told.length
  }
  return compared
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '100000' },
      mode: { type: 'string', default: 'pairing' },
    },
  })
  const [seed, count] = [Number(values.seed), Number(values.count)]
  if (values.mode === 'damaged')
    console.log(
      `${count} damaged traces from seed ${seed}: ${checkMany(seed, count)} certain statements, all true`,
    )
  else console.log(`${count} traces from seed ${seed}: ${compareMany(seed, count)} waits and holds agree`)
}
