/** The text of /proc/<pid>/smaps, the kernel's or ours, as VMAs of the arena. */
import { type Bytes, byName } from '../base/index.ts'
import { PAGE, SEEN } from './operations.ts'
import { COUNTERS, type Counter, type VmaView } from './side.ts'

const HEAD = /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ \d+ *(.*)$/
const KIB_A_PAGE = PAGE / 1024
/** Those that say how something is mapped, and not what else could be done with it. */
const FLAGS = ['rd', 'wr', 'sh', 'lo', 'sr', 'rr', 'dc', 'wf']
const [NINE, LOWER_A] = [0x39, 0x61]

/** Reads one text after the other, and what is as it was only once. */
export class Smaps {
  private readonly arena: Bytes
  private text = ''
  private vmas: readonly VmaView[] = []

  constructor(arena: Bytes) {
    this.arena = arena
  }

  parse(text: string): readonly VmaView[] {
    if (text !== this.text) {
      this.vmas = parseSmaps(text, this.arena)
      this.text = text
    }
    return this.vmas
  }
}

/** Files by their names without a folder. Counters in pages. */
function parseSmaps(text: string, arena: Bytes): readonly VmaView[] {
  const found: VmaView[] = []
  let vma: Draft | undefined
  // Both sides have the counters in one order, so a line is asked for the next of them alone.
  let next = 0
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at)
    const first = text.charCodeAt(at)
    if (first <= NINE || first >= LOWER_A) {
      vma = headOf(text.slice(at, end), arena)
      next = 0
      if (vma !== undefined) found.push(vma)
    } else if (vma !== undefined) {
      const counter = COUNTERS[next]
      if (counter !== undefined && text.startsWith(counter, at) && text[at + counter.length] === ':') {
        vma.counters[counter] = Number.parseInt(text.slice(at + counter.length + 1, end), 10) / KIB_A_PAGE
        next++
      } else if (text.startsWith('VmFlags:', at)) {
        const flags = text.slice(at + 'VmFlags: '.length, end).split(' ')
        vma.flags = flags.filter(flag => FLAGS.includes(flag)).join(' ')
      }
    }
    at = end + 1
  }
  return found
}

type Draft = Omit<VmaView, 'counters' | 'flags'> & { counters: Record<Counter, number>; flags: string }

/** Undefined: it lies outside of the arena. */
function headOf(line: string, arena: Bytes): Draft | undefined {
  const head = HEAD.exec(line)
  if (head === null) return undefined
  const [start, end] = [head[1]!, head[2]!].map(each => (Number.parseInt(each, 16) - arena) / PAGE)
  if (start! < 0 || start! >= SEEN) return undefined
  const counters = byName<Counter, number>(COUNTERS, () => 0)
  const name = head[5]!.slice(head[5]!.lastIndexOf('/') + 1).replace('zero (deleted)', 'shared memory')
  const offset = Number.parseInt(head[4]!, 16) / PAGE
  return { start: start!, end: end!, rights: head[3]!, offset, name, counters, flags: '' }
}
