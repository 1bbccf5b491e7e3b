/**
 * Tries the library on a host whose n-th call fails: npm run hostile -- --help
 *
 * The functions of the host are replaced before the library is imported, so that it has no others.
 */
import { parseArgs } from 'node:util'
import { Prng } from '../base/index.ts'
import { Campaign, type Case, cases, words } from './campaign.ts'
import { FailingHost } from './failing-host.ts'

const HELP = `Plays scenes on files and volumes while the n-th call of the host fails, and looks at what is left.

  --share FRACTION   so many of all cases, taken by chance (1)
  --seed NUMBER      of the chance (1)
  --mmu NAME         software, or hardware: then the calls of its threads too (software)
  --only TEXT        cases whose words have this in them
  --json             what came of it as JSON

  npm run hostile                       every kind of call, every n
  npm run hostile -- --share 0.05       one case in twenty
  npm run hostile -- --only 'flush 2'   those that a failure named
`

const { values } = parseArgs({
  options: {
    share: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    mmu: { type: 'string', default: 'software' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const share = Number(values.share)
const seed = Number(values.seed)
const { mmu } = values
if (!(share > 0 && share <= 1) || !Number.isSafeInteger(seed) || (mmu !== 'software' && mmu !== 'hardware')) {
  process.stderr.write(
    'hostile: --share: expected a fraction up to 1; --seed: expected a whole number; --mmu: software or hardware\n',
  )
  process.exit(2)
}

const host = await FailingHost.install()
const { FaultlineError } = await import('../calls/index.ts')
const { start } = await import('../uffd/index.ts')
const { databaseOf } = await import('./database.ts')
const campaign = new Campaign(host, {
  start: options => start({ ...options, mmu }),
  repair: (machine, path) => machine.repairVolume(path),
  FaultlineError,
  databaseOf,
})
const failed: { readonly words: string; readonly wrong: readonly string[] }[] = []
let played = 0
const told = process.stderr.isTTY === true && !values.json

try {
  for await (const one of cases(campaign, new Prng(seed), share)) {
    if (!words(one).includes(values.only)) continue
    played++
    if (told) process.stderr.write(`\r\x1b[K${played} ${words(one)}`)
    await tell(one)
  }
} catch (error) {
  // The campaign listens to what nobody handles, as a part of what it looks for.
  process.stderr.write(`hostile: ${(error as Error).stack}\n`)
  process.exit(1)
}
if (told) process.stderr.write('\r\x1b[K')
if (values.json) console.log(JSON.stringify({ seed, share, played, failed }))
else console.log(`${played} cases, ${failed.length} wrong (seed ${seed}, share ${share})`)
process.exit(failed.length === 0 ? 0 : 1)

async function tell(one: Case): Promise<void> {
  const { wrong } = await campaign.play(one)
  if (wrong.length === 0) return
  failed.push({ words: words(one), wrong })
  if (values.json) return
  console.log(
    `${words(one)}\n  ${wrong.join('\n  ')}\n  npm run hostile -- --mmu ${mmu} --seed ${seed} --only '${words(one)}'`,
  )
}
