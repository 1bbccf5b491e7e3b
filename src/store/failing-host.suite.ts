/**
 * A store on a filesystem that fails, against a map: commits of random sizes while the host has n pages free, for n from 0,
 * and between them commits while it has plenty. Prints what came of it as JSON.
 *
 *     node failing-host.suite.ts STORE FILLED ROUNDS       FILLED: a directory whose filesystem is filled
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { errno, errnoName, Prng } from '../base/index.ts'
import { Scheduler, TimedDriver } from '../sched/index.ts'
import type { Change } from '../volume/index.ts'
import { FileStore, LmdbStore, STORE_FILE } from './index.ts'

const [directory = '', filled = '', rounds = ''] = process.argv.slice(2)
const prng = new Prng(7)
const held = new Map<string, string>()
/** What was told to be committed, and wasn't: as a volume does, the next commit has it too. */
const pending = new Map<string, Uint8Array | null>()
const told: Record<string, number> = {}
let ended: () => void = () => {}
const store = await LmdbStore.open(directory, new Scheduler(new TimedDriver()), () => ended())

async function commit(): Promise<string> {
  const changes: Change[] = [...pending].map(([key, value]) => ({ key, value }))
  const ticket = store.commit(changes)
  await new Promise<void>(resolve => {
    ended = resolve
    if (ticket.complete) resolve()
  })
  if (ticket.errno !== errno.OK) return errnoName(ticket.errno)
  for (const [key, value] of pending)
    if (value === null) held.delete(key)
    else held.set(key, Buffer.from(value).toString('hex'))
  pending.clear()
  return 'OK'
}

/** Changes all over, or many in a row, or none but removals. */
function change(): void {
  const first = prng.below(3000)
  const count = prng.pick([1, 3, 40, 300])
  const how = prng.pick(['all over', 'in a row', 'removals'])
  for (let n = 0; n < count; n++) {
    const key = `k${(how === 'in a row' ? first + n : prng.below(3000)).toString().padStart(5, '0')}`
    pending.set(key, how === 'removals' ? null : Buffer.alloc(20 + prng.below(200), n))
  }
}

function same(entries: Iterable<{ readonly key: string; readonly value: Uint8Array }>): boolean {
  const found = [...entries].map(({ key, value }) => [key, Buffer.from(value).toString('hex')])
  const expected = [...held].sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(found) === JSON.stringify(expected)
}

const wrong: string[] = []
for (let free = 0; free < Number(rounds); free++) {
  change()
  const { bavail, bsize } = fs.statfsSync(filled)
  const filler = join(filled, 'filler')
  try {
    fs.writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - free * 4096)))
  } catch {}
  const saw = await commit()
  told[saw] = (told[saw] ?? 0) + 1
  if (!same(store.range('', '~')))
    wrong.push(`${free} pages free, ${saw}: it reads otherwise than what was committed`)
  fs.rmSync(filler)
  if (free % 2 === 0) change()
  for (let tries = 0; pending.size > 0; tries++) {
    const later = await commit()
    if (later !== 'OK' && tries > 3) wrong.push(`${free} pages free: ${later} with space again`)
    if (tries > 3) break
  }
  for (const flaw of store.flaws()) wrong.push(flaw)
  if (!same(store.range('', '~'))) wrong.push(`${free} pages free, then plenty: it reads otherwise`)
}
await store.close()
const again = FileStore.open(join(directory, STORE_FILE))
if (!same(again.range('', '~'))) wrong.push('what is on the disk is otherwise')
await again.close()
console.log(JSON.stringify({ told, wrong, records: held.size }))
