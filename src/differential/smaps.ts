/** The text of /proc/<pid>/smaps, the kernel's or ours, as VMAs of the arena. */
import type { Bytes } from '../base/index.ts'
import { PAGE, SEEN } from './operations.ts'
import { COUNTERS, type Counter, type VmaView } from './side.ts'

const HEAD = /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ \d+ *(.*)$/
const KIB_A_PAGE = PAGE / 1024
/** Those that say how something is mapped, and not what else could be done with it. */
const FLAGS = ['rd', 'wr', 'sh', 'lo', 'sr', 'rr', 'dc', 'wf']

/** Files by their names without a folder. Counters in pages. */
export function parseSmaps(text: string, arena: Bytes): VmaView[] {
  const found: VmaView[] = []
  let counters: Record<Counter, number> | undefined
  for (const line of text.split('\n')) {
    const head = HEAD.exec(line)
    if (head !== null) {
      const [start, end] = [head[1]!, head[2]!].map(each => (Number.parseInt(each, 16) - arena) / PAGE)
      counters = undefined
      if (start! < 0 || start! >= SEEN) continue
      counters = Object.fromEntries(COUNTERS.map(name => [name, 0])) as Record<Counter, number>
      const name = head[5]!.slice(head[5]!.lastIndexOf('/') + 1).replace('zero (deleted)', 'shared memory')
      const offset = Number.parseInt(head[4]!, 16) / PAGE
      found.push({ start: start!, end: end!, rights: head[3]!, offset, name, counters, flags: '' })
      continue
    }
    const vma = found.at(-1)
    if (counters === undefined || vma === undefined) continue
    const colon = line.indexOf(':')
    const key = line.slice(0, colon)
    if (key in counters) counters[key as Counter] = Number.parseInt(line.slice(colon + 1), 10) / KIB_A_PAGE
    else if (key === 'VmFlags') {
      const flags = line.slice(colon + 2).split(' ')
      found[found.length - 1] = { ...vma, flags: flags.filter(flag => FLAGS.includes(flag)).join(' ') }
    }
  }
  return found
}
