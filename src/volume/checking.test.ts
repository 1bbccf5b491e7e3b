/** The check with data: of which file it says that a block is bad, and where in it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkingArgs } from './checking.ts'
import { PAGE, VolumeWorld } from './volume-world.suite.ts'

test('a bad block is told once, with the file that has it and the bytes there', () => {
  const at = new VolumeWorld()
  const before = at.create('/before', 0)
  at.write(before, PAGE, new Uint8Array(2 * PAGE).fill(1))
  at.sync(before)
  const file = at.create('/file', 0)
  at.write(file, 3 * PAGE, new Uint8Array(3 * PAGE).fill(2))
  at.sync(file)
  const blockOf = (opened: typeof file, page: number) => {
    const [run] = opened.volumeFile.node.extents.inside(page, page + 1)
    return run!.value + page - run!.start
  }
  assert.equal(blockOf(file, 3), blockOf(before, 2) + 1, 'the files lie behind one another')
  const told = [3, 4].map(page => {
    const block = blockOf(file, page)
    at.poke(block * PAGE + 5, Uint8Array.of(7))
    const position = page * PAGE
    return `/file, bytes ${position} to ${position + PAGE - 1}: block ${block} doesn't match its checksum (disk, offset ${block * PAGE})`
  })
  const task = at.world.spawn(at.volume.checking, checkingArgs('with data'))
  assert.equal(at.world.says(task), 'done')
  assert.deepEqual(task.args.report!.wrong, told)
})
