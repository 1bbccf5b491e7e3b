/** The records of a volume of any size, laid out by rule: for measuring how it opens and is checked. */
import type { Bytes } from '../base/index.ts'
import { MIX53 } from './checksum.ts'
import { PLAIN } from './extents.ts'
import { headerBlock } from './header.ts'
import { EPOCH, encodeInode, newInode, planned } from './inode.ts'
import type { Record } from './overlay.ts'
import {
  encodeHeader,
  encodeLink,
  encodeNumbers,
  encodeState,
  FORMAT,
  HEADER_KEY,
  type Header,
  hex,
  inodeKey,
  linkKey,
  ROOT_INO,
  STATE_KEY,
} from './records.ts'

export interface PlotPlan {
  readonly files: number
  /** Of each file, a page long, a hole after each. */
  readonly extents: number
  readonly blockSize: Bytes
}

export interface Plot {
  readonly blocks: number
  readonly firstBlock: Uint8Array
  /** In order of key. */
  records(): Generator<Record>
}

export function largeVolume({ files, extents, blockSize }: PlotPlan): Plot {
  // The header's block, those of the files, and one that is free.
  const blocks = files * extents + 2
  const header: Header = { format: FORMAT, blockSize, blocks, id: 1, checksum: MIX53.name }
  function* records(): Generator<Record> {
    const inos = Array.from({ length: files }, (_, at) => ROOT_INO + 1 + at)
    for (const ino of inos)
      yield { key: linkKey(ROOT_INO, `file ${hex(ino)}`), value: encodeLink({ ino, kind: 'file' }) }
    for (const [at, ino] of inos.entries())
      for (let extent = 0; extent < extents; extent++) {
        const page = 2 * extent
        const block = 1 + at * extents + extent
        yield { key: `e${hex(ino)}${hex(page)}`, value: encodeNumbers(page, block, PLAIN) }
      }
    const root = { ...newInode(planned('directory'), made(2)), parent: ROOT_INO }
    const file = { ...newInode(planned('file'), made(1)), size: 2 * extents * blockSize, blocks: extents }
    yield { key: `f${hex(blocks - 1)}`, value: encodeNumbers(blocks - 1, 0, 0) }
    yield { key: HEADER_KEY, value: encodeHeader(header) }
    yield { key: inodeKey(ROOT_INO), value: encodeInode(root) }
    for (const ino of inos) yield { key: inodeKey(ino), value: encodeInode(file) }
    yield {
      key: STATE_KEY,
      value: encodeState({ nextIno: ROOT_INO + 1 + files, free: 1, deferred: 0, generation: 0 }),
    }
  }
  return { blocks, firstBlock: headerBlock(header, MIX53), records }
}

function made(links: number) {
  return { generation: 0, links, now: EPOCH }
}
