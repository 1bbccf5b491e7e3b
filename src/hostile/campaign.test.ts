/** Some of the cases of the campaign (npm run hostile plays all), and that it notices what it looks for. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Prng } from '../base/index.ts'
import { Campaign, cases, type Library, words } from './campaign.ts'
import { FailingHost } from './failing-host.ts'
import { Oracle } from './oracle.ts'
import { SCENES } from './scenes.ts'

const host = await FailingHost.install()
const { FaultlineError } = await import('../calls/index.ts')
const { Machine } = await import('../map/index.ts')
const { databaseOf } = await import('./database.ts')
const library: Library = {
  start: options => Machine.start(options),
  repair: (machine, path) => machine.repairVolume(path),
  FaultlineError,
  databaseOf,
}
const campaign = new Campaign(host, library)

describe('a host whose n-th call fails', { timeout: 120_000 }, () => {
  test('does no harm to what sync promised, and every call ends with an error of ours', async () => {
    const seed = 1
    let played = 0
    for await (const one of cases(campaign, new Prng(seed), 0.03)) {
      played++
      const { wrong } = await campaign.play(one)
      assert.deepEqual(wrong, [], `npm run hostile -- --seed ${seed} --share 0.03 --only '${words(one)}'`)
    }
    assert.ok(played > 10, `${played}`)
  })

  test('can fail commits of LMDB, too', async () => {
    for (const scene of SCENES) if (((await campaign.count(scene))['commit'] ?? 0) > 0) return
    assert.fail('no scene has made a commit that could fail')
  })

  test('does none where the calls are those of a hardware machine’s threads', t => {
    const program = join(import.meta.dirname, 'main.ts')
    const preload = pathToFileURL(join(import.meta.dirname, 'in-threads.ts')).href
    const node = [
      '--conditions=faultline-source',
      '--disable-warning=ExperimentalWarning',
      '--import',
      preload,
    ]
    const words = ['--mmu', 'hardware', '--seed', '1', '--share', '0.015', '--only', 'by a thread', '--json']
    const { status, stdout, stderr } = spawnSync(process.execPath, [...node, program, ...words], {
      encoding: 'utf8',
    })
    if (stderr.includes('ENOTSUP')) return t.skip('there is no userfaultfd here')
    const { played, failed } = JSON.parse(stdout) as { played: number; failed: unknown[] }
    assert.deepEqual(failed, [])
    assert.equal(status, 0, stderr)
    assert.ok(played > 1, `${played}`)
  })

  test('is noticed where an error of its own comes through', async () => {
    const fault = { kind: 'open', nth: 1, how: 'once', code: 'EIO' } as const
    const play = async (): Promise<void> => void fs.openSync('/nowhere', 'r')
    const scene = {
      ...SCENES[0]!,
      play: async (stage: { call: (name: string, act: () => unknown) => unknown }) =>
        void (await stage.call('open', play)),
    }
    const { wrong } = await campaign.play({ scene, fault })
    assert.match(wrong.join('\n'), /^open fails with Error: EIO: the host fails, openSync/)
  })

  test('is noticed where something is missing', () => {
    const oracle = new Oracle()
    oracle.begins('a', 1)
    oracle.stored('a', 2, 'well')
    oracle.stored('a', 3, 'perhaps')
    const wrong = (value: number | undefined) => [...oracle.wrong(() => value)].length
    assert.deepEqual([1, 2, 3, 4, undefined].map(wrong), [0, 0, 0, 1, 1])
    oracle.synced('a')
    assert.deepEqual([1, 2, 3].map(wrong), [1, 0, 0])
    oracle.doubted('a')
    oracle.stored('a', 5, 'well')
    oracle.synced('a')
    assert.deepEqual([2, 3, 5].map(wrong), [1, 1, 0])
  })
})
