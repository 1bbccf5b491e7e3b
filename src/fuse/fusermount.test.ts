/** What fusermount3 is called with, by a program in its place. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Linux } from '../linux/index.ts'
import { FusermountFailed, fusermount } from './fusermount.ts'

const skip = process.platform === 'linux' ? false : 'only Linux has FUSE'

test('a signal for the programs of the terminal doesn’t end it midway', { skip }, t => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-fusermount-'))
  const { PATH } = process.env
  t.after(() => {
    process.env.PATH = PATH
    rmSync(folder, { recursive: true })
  })
  const program = join(folder, 'fusermount3')
  // proc(5): the fifth field of stat is the group, which the kernel sends Ctrl-C to.
  writeFileSync(program, '#!/bin/sh\nread -r _ _ _ _ group _ < /proc/$$/stat\necho "$group $$" >&2\nexit 1\n')
  chmodSync(program, 0o755)
  process.env.PATH = `${folder}:${PATH}`
  const plan = { source: 'volume', target: folder, readOnly: false, allowOther: false, uid: 1, gid: 1 }
  assert.throws(
    () => fusermount(new Linux(), plan),
    (error: Error) => {
      assert.ok(error instanceof FusermountFailed)
      assert.match(error.message, /^(\d+) \1$/)
      return true
    },
  )
})
