/**
 * Programs of others on a mounted volume, those that take minutes too: fio, PostgreSQL, npm, stress-ng.
 *
 *     node --conditions=faultline-source src/mount/foreign.fuzz.ts [WORD]        those whose name has the word; all if left out
 *
 * `seconds=600` in the environment: so long goes each run of fio, 200 if left out. Takes root, and 4 GiB where temporary files go.
 * Ends with 1 if one failed, with 2 if no name has the word.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FOREIGN, LONG } from './foreign.suite.ts'
import { has, Mounted, runs, unavailable } from './mounting.suite.ts'

const HOUR = 3_600_000

const word = process.argv[2] ?? ''
const all = [...FOREIGN, ...LONG]
const chosen = all.filter(({ name }) => name.includes(word))
if (chosen.length === 0) {
  console.error(`no name has the word ${word}; they are:\n${all.map(({ name }) => name).join('\n')}`)
  process.exit(2)
}
const why = unavailable()
if (why !== undefined) throw new Error(why)
const mounted = await Mounted.make({ after: () => {} }, '4GiB', '--allow-other')
let failed = 0
for (const [at, { name, needs, script }] of chosen.entries()) {
  const missing = needs.find(program => !has(program))
  if (missing !== undefined) {
    console.log(`skipped  ${name}: needs ${missing}`)
    continue
  }
  const outside = mkdtempSync(join(tmpdir(), 'faultline-outside-'))
  const began = performance.now()
  const { status, out, err } = await runs(
    'sh',
    ['-e', '-c', `outside=${outside}; mkdir t${at}; cd t${at}\n${script}`],
    { cwd: mounted.target, patience: HOUR },
  )
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(`${status === 0 ? 'held' : 'FAILED'}     ${name}, ${seconds} s`)
  if (status !== 0) {
    failed++
    console.log(err, out)
  }
  await runs('umount', ['-l', join(outside, 'inner')])
  rmSync(outside, { recursive: true, force: true })
  await runs('rm', ['-rf', join(mounted.target, `t${at}`)], { patience: HOUR })
}
const status = await mounted.unmount()
const wrong = await mounted.check()
console.log(
  `the daemon ended with ${status}${mounted.said === '' ? '' : ` and said ${mounted.said}`}; the volume: ${wrong.length} wrong`,
)
for (const sentence of wrong) console.log(sentence)
await mounted.remove()
process.exitCode = failed === 0 && status === 0 && wrong.length === 0 ? 0 : 1
