/** Pieces that go out by one call. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { UIO_MAXIOV } from './abi.ts'
import { Linux } from './index.ts'

test('pieces go out in order, in one memory or several, as many as the host takes', () => {
  const linux = new Linux()
  const fd = linux.memfd('pieces', 0)
  const [one, other] = [Buffer.from('abcdefgh'), new Uint8Array(new SharedArrayBuffer(8)).fill(0x2e)]
  const pieces = [one.subarray(4, 6), one.subarray(0, 1), other.subarray(2, 5), one.subarray(7)]
  assert.equal(linux.tryWritev(fd, pieces), 7)
  assert.equal(fs.readFileSync(`/proc/self/fd/${fd}`, 'latin1'), 'efa...h')
  const many = Array.from({ length: UIO_MAXIOV }, (_, at) => one.subarray(at % 8, (at % 8) + 1))
  assert.equal(linux.tryWritev(fd, many), UIO_MAXIOV)
  assert.equal(linux.tryWritev(fd, [...many, one]), -22, 'one more is EINVAL')
  linux.close(fd)
})
