/** The mount's files without a mount: what is written before names are made durable, whoever syncs and however many do. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { errno } from '../base/index.ts'
import { copyArgs } from '../cache/index.ts'
import { Machine } from '../map/index.ts'
import { newReadState } from '../memmap/index.ts'
import { Files, type Pages, type Used } from './files.ts'

const NOTHING_IN_THE_KERNEL: Pages = {
  files: [],
  mayBeDirty: () => false,
  write: async () => ({ unreachable: errno.OK, failed: errno.OK }),
}

/** A file that was written and then given a name, and is dirty. */
async function named(
  t: TestContext,
  pages: Pages = NOTHING_IN_THE_KERNEL,
): Promise<{ readonly files: Files; readonly used: Used }> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-mount-files-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const machine = await Machine.start({ memory: '4 MiB' })
  t.after(() => machine.close())
  const volume = await machine.createVolume(join(folder, 'volume'), { size: '4 MiB' })
  await volume.create('/new')
  const { core } = volume
  const { engine, performer, root } = machine
  const files = new Files(core, engine, performer, root.id, pages)
  const { ino } = await volume.stat('/new')
  const used = files.use(ino) as Used
  const args = copyArgs(used.file.cached, 0, new Uint8Array(9000).fill(7), newReadState('normal'))
  const task = performer.begin(engine.verbs.write, args, { name: 'write', group: root.id })
  assert.equal(await performer.finished(task, ended => ended.errno, undefined), errno.OK)
  files.gotName(ino)
  return { files, used }
}

const isDirty = ({ file }: Used): boolean =>
  file.cached.dirtiedAt !== Infinity || file.cached.underWriteback > 0

test('what a name leads to is written before the name, whoever syncs, and however many at once (MTF3)', async t => {
  const { files, used } = await named(t)
  const dirty: boolean[] = []
  const commit = () => {
    dirty.push(isDirty(used))
    return errno.OK
  }
  assert.ok(isDirty(used))
  await Promise.all([files.beforeNames(commit), files.beforeNames(commit), files.beforeNames(commit)])
  assert.deepEqual(dirty, [false, false, false])
  assert.equal(files.beforeNames(commit), errno.OK, 'with nothing to be written the commit begins at once')
  files.letGo(used)
  await files.close()
})

test('a name that is given while its file is being written for another one is waited for anew (MTF3)', async t => {
  const asked: (readonly number[])[] = []
  let meanwhile = () => {}
  const { files, used } = await named(t, {
    files: [],
    mayBeDirty: () => true,
    async write(inos) {
      asked.push(inos)
      meanwhile()
      return { unreachable: errno.OK, failed: errno.OK }
    },
  })
  meanwhile = () => files.gotName(used.ino)
  await files.beforeNames(() => errno.OK)
  meanwhile = () => {}
  await files.beforeNames(() => errno.OK)
  await files.beforeNames(() => errno.OK)
  assert.deepEqual(asked, [[used.ino], [used.ino]])
  files.letGo(used)
  await files.close()
})
