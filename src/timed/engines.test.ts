/**
 * The same run on other versions of Node, to the byte. Each version is skipped where it isn't there: `npm run nodes` fetches
 * them.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { promisify } from 'node:util'

const VERSIONS = ['22.18.0', '24', '26']
const NODES = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'faultline/nodes/node_modules')
const MAIN = join(import.meta.dirname, '../cli/main.ts')
const RUNS = [
  ['threads-stores', '--discipline', 'linux-6.4', '--seconds', '0.2'],
  ['dirty-throttle-mprotect', '--discipline', 'hold', '--seconds', '1', '--seed', '5'],
]

const run = promisify(execFile)

async function play(node: string): Promise<string> {
  const texts = RUNS.map(words => run(node, [MAIN, 'lab', 'run', ...words, '--json']))
  return (await Promise.all(texts)).map(({ stdout }) => stdout).join('')
}

describe('one seed, one result', () => {
  let ours = ''
  before(async () => {
    ours = await play(process.execPath)
  })
  for (const version of VERSIONS) {
    const node = join(NODES, `node-${version}/bin/node`)
    const skip = !existsSync(node) && `Node ${version} is not here: npm run nodes`
    test(`on Node ${version}`, { skip }, async () => {
      assert.ok(ours.length > 1000)
      assert.equal(await play(node), ours)
    })
  }
})
