/**
 * Whether the kernel that runs maps its page of zeros where private memory is loaded from that nobody has stored to, as Linux does on
 * x64 (mm/memory.c, do_anonymous_page). Kernels made for some hosts of virtual machines give each such load a page of its own: other
 * counters, other entries, other copies at a fork, so the comparison would tell of nothing else.
 */
import fs from 'node:fs'
import { MADVICE } from './abi.ts'
import { NotHere } from './filesystem.ts'
import { PAGE } from './operations.ts'
import { Smaps } from './smaps.ts'
import type { Tracer } from './tracee.ts'

const WHERE = 0x300000000000
const PROT_READ_WRITE = 3
const MAP_PRIVATE_ANONYMOUS_FIXED = 0x32

/** Throws NotHere where a load makes a page. */
export function assertZeroPage(tracer: Tracer): void {
  const tracee = tracer.begin()
  try {
    tracee.call('mmap', WHERE, PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_FIXED, -1, 0)
    tracee.call('madvise', WHERE, PAGE, MADVICE.populateRead)
    const [vma] = new Smaps(WHERE).parse(fs.readFileSync(`/proc/${tracee.pid}/smaps`, 'latin1'))
    if (vma?.counters.Anonymous !== 0)
      throw new NotHere(
        'this kernel gives loads of untouched private memory a page of their own, where Linux maps its page of zeros; compare on another kernel',
      )
  } finally {
    tracee.exit()
  }
}
