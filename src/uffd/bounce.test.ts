/** Bounce buffers between real files and real memory files, by a model that is a Buffer. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { errno } from '../base/index.ts'
import { HUGE_PAGE_BYTES, Linux, Userfaultfd } from '../linux/index.ts'
import { scratch } from '../map/world.suite.ts'
import { Bounce } from './bounce.ts'
import { unavailable } from './hardware.suite.ts'

const PAGE = 4096
const PAGES = 16

test('what a bounce buffer moves arrives, pages there or not, whole or in part', { skip: unavailable }, t => {
  const linux = new Linux()
  const userfaultfd = Userfaultfd.open(linux)
  const memory = linux.hugePage()
  const path = join(scratch(t), 'file.bin')
  const bytes = Buffer.from(
    Array.from({ length: PAGES * PAGE - 1000 }, (_, at) => (at * 31 + (at >> 8)) & 255),
  )
  const move = fc.record({
    direction: fc.constantFrom('fill' as const, 'drain' as const),
    page: fc.nat(PAGES - 1),
    staged: fc.boolean(),
    length: fc.integer({ min: 1, max: PAGES * PAGE }),
    position: fc.nat(PAGES * PAGE),
  })
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(move, { size: 'max', maxLength: 30 }),
      (part, moves) => {
        const memfd = linux.memfd('bounce', 2 * PAGES * PAGE)
        const stage = linux.mmap(memfd, 0, 2 * PAGES * PAGE)
        userfaultfd.register(stage, 2 * PAGES * PAGE)
        fs.writeFileSync(path, bytes)
        const fd = fs.openSync(path, 'r+')
        try {
          const bounce = new Bounce(linux, userfaultfd, memory, part * PAGE)
          const [inMemory, inFile] = [Buffer.alloc(2 * PAGES * PAGE), Buffer.alloc(4 * PAGES * PAGE)]
          bytes.copy(inFile)
          let end = bytes.length
          for (const { direction, page, staged, length, position } of moves) {
            const offset = page * PAGE
            const range = { fd: memfd, offset, length, address: staged ? stage + offset : undefined }
            const expected = direction === 'fill' ? Math.max(0, Math.min(length, end - position)) : length
            assert.equal(bounce[direction](range, fd, position), expected)
            if (direction === 'fill') inFile.copy(inMemory, offset, position, position + expected)
            else {
              inMemory.copy(inFile, position, offset, offset + length)
              end = Math.max(end, position + length)
            }
          }
          const stored = Buffer.alloc(inMemory.length)
          fs.readSync(memfd, stored, 0, stored.length, 0)
          assert.ok(stored.equals(inMemory), 'the memory file has what the model has')
          assert.ok(fs.readFileSync(path).equals(inFile.subarray(0, end)), 'the file has what the model has')
        } finally {
          fs.closeSync(fd)
          linux.munmap(stage, 2 * PAGES * PAGE)
          linux.close(memfd)
        }
      },
    ),
    { numRuns: 60 },
  )
  const bounce = new Bounce(linux, userfaultfd, memory, PAGE)
  assert.equal(bounce.fill({ fd: 0, offset: 0, length: PAGE, address: undefined }, 9999, 0), -errno.EBADF)
  userfaultfd.close()
  linux.munmap(memory, HUGE_PAGE_BYTES)
})
