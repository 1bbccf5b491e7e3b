/** A host that has no space, and one whose disk fails: what a commit says then, that LMDB says nothing, and what is kept. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

const needsRoot = { skip: process.getuid?.() === 0 ? false : 'it takes root' }

/** A small filesystem in memory; undefined where none can be mounted. */
function small(t: TestContext, mib: number): string | undefined {
  const place = fs.mkdtempSync(join(tmpdir(), 'faultline-small-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', place])
  t.after(() => {
    if (status === 0) spawnSync('umount', ['-l', place])
    fs.rmdirSync(place)
  })
  return status === 0 ? place : undefined
}

function play(...words: readonly string[]) {
  const program = join(import.meta.dirname, 'failing-host.suite.ts')
  const node = ['--disable-warning=ExperimentalWarning', program, ...words]
  const { status, stdout, stderr, signal } = spawnSync(process.execPath, node, { encoding: 'utf8' })
  assert.deepEqual([status, signal], [0, null], stderr)
  return {
    ...(JSON.parse(stdout) as { told: Record<string, number>; wrong: string[]; records: number }),
    stderr,
  }
}

test(
  'a host with n pages free: a commit has them, or says ENOSPC and nothing else, and the next has all',
  needsRoot,
  t => {
    const place = small(t, 8)
    if (place === undefined) return t.skip('nothing can be mounted here')
    const { told, wrong, records, stderr } = play(join(place, 'store'), place, '50')
    assert.deepEqual(wrong, [])
    assert.deepEqual(Object.keys(told).sort(), ['ENOSPC', 'OK'])
    assert.ok(records > 100)
    assert.equal(stderr, '')
  },
)

test('a disk whose flush fails: a commit says so, and when it works again the next has all', needsRoot, t => {
  const place = small(t, 24)
  if (place === undefined) return t.skip('nothing can be mounted here')
  const image = join(place, 'image')
  fs.writeFileSync(image, '')
  fs.truncateSync(image, 16 * 2 ** 20)
  // No journal: a journal that fails takes the filesystem with it.
  if (spawnSync('mkfs.ext2', ['-q', '-F', image]).status !== 0) return t.skip('there is no mkfs.ext2')
  const mounted = join(place, 'mounted')
  fs.mkdirSync(mounted)
  const mount = ['-o', 'loop,errors=continue', image, mounted]
  if (spawnSync('mount', mount).status !== 0) return t.skip('there are no loop devices here')
  t.after(() => spawnSync('umount', ['-l', mounted]))
  const { told, wrong, stderr } = play(join(mounted, 'store'), place, '20')
  assert.deepEqual(wrong, [])
  // What the loop device can't write is found out by the flush of a commit that LMDB has written.
  const failures = Object.keys(told).filter(saw => saw !== 'OK')
  assert.ok(failures.length > 0 && failures.every(saw => ['ENOSPC', 'EIO'].includes(saw)), `${failures}`)
  assert.equal(stderr, '')
})
