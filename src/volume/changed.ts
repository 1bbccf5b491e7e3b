/** What a reader of a volume is told when it went on to another commit. */
import { ALL_PAGES, type Pages } from './changed-pages.ts'
import type { Place } from './names.ts'
import { inoIn, nameIn } from './records.ts'

/** What may be otherwise since a reader went on; 'everything': it isn't known what. */
export type Changed =
  | 'everything'
  | {
      /** Whose attributes, bytes or names, and which pages of it. */
      readonly inodes: ReadonlyMap<number, readonly Pages[]>
      /** What names mean, or whether they are there. */
      readonly places: readonly Place[]
    }

/** Of an inode: its record, its extents, its extended attributes and its link target. */
const OF_AN_INODE = 'ieay'

/** `pages`: of files whose extents were changed. */
export function changedBy(keys: ReadonlySet<string>, pages: ReadonlyMap<number, readonly Pages[]>): Changed {
  const inodes = new Map<number, readonly Pages[]>(pages)
  const places: Place[] = []
  for (const key of keys)
    if (OF_AN_INODE.includes(key[0]!)) inodes.set(inoIn(key), pages.get(inoIn(key)) ?? [])
    else if (key[0] === 'd') {
      inodes.set(inoIn(key), ALL_PAGES)
      places.push({ directory: inoIn(key), name: nameIn(key) })
    }
  return { inodes, places }
}
