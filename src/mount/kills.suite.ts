/**
 * The daemon killed while programs write: what they were told is durable is there afterwards, whole, and the volume is sound.
 *
 * Each writer appends records to a file of its own, makes them durable, and says so outside of the mount; and makes files, renames
 * them into place as editors do, and says which version is durable.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import type { Prng } from '../base/index.ts'
import type { Mounted } from './mounting.suite.ts'

const WRITERS = 2
/** Records and versions that are made durable before the daemon is killed, at most. */
const DURABLE_MAX = 12
/** How often it is looked whether that many are, in milliseconds. */
const LOOK_EVERY = 5
/** Milliseconds after which the next kill may come. */
const LIFE_MAX = 30

/** A shell that ends when the mount fails. What is durable it says, a line each. */
const WRITER = `
n=$1
while :; do
  n=$((n+1))
  printf 'record %08d of %s, and what belongs to it\\n' $n $2 >> log$2 && sync log$2 && echo "log $n" || exit
  printf 'version %d\\n' $n > new$2 && sync new$2 && mv new$2 doc$2 && sync . && echo "doc $n" || exit
done`

interface Writer {
  log: number
  doc: number
}

/** Kills the daemon once, mounts again, and says what is wrong with what is found: nothing should be. */
export async function killOnce(
  mounted: Mounted,
  chance: Prng,
  from: number,
): Promise<{ readonly wrong: string[]; readonly reached: number }> {
  const writers: Writer[] = []
  const running = Array.from({ length: WRITERS }, (_, number) => {
    const durable: Writer = { log: from, doc: from }
    writers.push(durable)
    const child = spawn('sh', ['-c', WRITER, 'writer', String(from), String(number)], {
      cwd: mounted.target,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const closed = once(child, 'close')
    let said = ''
    child.stdout.on('data', chunk => {
      said += chunk
      for (let end = said.indexOf('\n'); end !== -1; end = said.indexOf('\n')) {
        const [what, count] = said.slice(0, end).split(' ') as ['log' | 'doc', string]
        durable[what] = Number(count)
        said = said.slice(end + 1)
      }
    })
    return { child, closed }
  })
  const enough = from + 1 + chance.below(DURABLE_MAX)
  while (writers.some(({ doc }) => doc < enough) && running.some(({ child }) => child.exitCode === null))
    await setTimeout(LOOK_EVERY)
  await setTimeout(chance.below(LIFE_MAX))
  await mounted.kill()
  await Promise.all(running.map(({ closed }) => closed))
  const wrong = (await mounted.unmountDead()).map(sentence => `check: ${sentence}`)
  await mounted.mount()
  let reached = from
  for (const [number, { log, doc }] of writers.entries()) {
    const lines = (await mounted.does(`cat log${number}`)).split('\n').slice(0, -1)
    for (const [at, line] of lines.entries()) {
      const wanted = `record ${String(at + 1).padStart(8, '0')} of ${number}, and what belongs to it`
      if (line !== wanted) wrong.push(`log${number}: line ${at + 1} is ${JSON.stringify(line)}`)
    }
    if (lines.length < log) wrong.push(`log${number}: ${log} records were durable, ${lines.length} are there`)
    const version = /^version (\d+)\n$/.exec(await mounted.does(`cat doc${number}`))?.[1]
    if (version === undefined || Number(version) < doc)
      wrong.push(`doc${number}: version ${doc} was durable, ${version} is there`)
    reached = Math.max(reached, lines.length, Number(version))
  }
  // All go on from one number.
  for (let number = 0; number < WRITERS; number++)
    await mounted.does(
      `i=$(wc -l < log${number}); while [ $i -lt ${reached} ]; do i=$((i+1)); printf 'record %08d of ${number}, and what belongs to it\\n' $i; done >> log${number}; printf 'version %d\\n' ${reached} > doc${number}; sync log${number} doc${number}`,
    )
  return { wrong, reached }
}
