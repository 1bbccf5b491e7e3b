/** Records in words, for people who look at a volume's metadata. */
import { blocksOf, LOST } from './extents.ts'
import { Damage } from './failure.ts'
import { decodeInode, type Inode, type Time } from './inode.ts'
import { pieceOf } from './long-values.ts'
import type { Record } from './overlay.ts'
import {
  CHUNK_BLOCKS,
  decodeHeader,
  decodeLink,
  decodeNumbers,
  decodeState,
  inoIn,
  nameIn,
  numberIn,
} from './records.ts'

const TAGS = ['written', 'unwritten', 'plain', 'lost']

export function describeRecord({ key, value }: Record): string {
  try {
    return words(key, value)
  } catch (error) {
    if (!(error instanceof Damage)) throw error
    return `damaged: ${error.message}`
  }
}

function words(key: string, value: Uint8Array): string {
  switch (key[0]) {
    case 'h': {
      const { format, blocks, blockSize, id, checksum } = decodeHeader(value)
      return `volume ${id} of format ${format}: ${blocks} blocks of ${blockSize} bytes, checksums by ${checksum}`
    }
    case 's': {
      const { nextIno, free, deferred, generation } = decodeState(value)
      return `the next inode is ${nextIno} of generation ${generation}; ${free} blocks are free, ${deferred} wait for a commit`
    }
    case 'i': {
      return inodeInWords(decodeInode(value, numberIn(key)), numberIn(key))
    }
    case 'd': {
      const { ino, kind } = decodeLink(value, key)
      return `"${nameIn(key)}" in directory ${inoIn(key)}: inode ${ino}, ${kind}`
    }
    case 'a': {
      const { prefix, number } = pieceOf(key, value)
      return `piece ${number} of the attribute "${nameIn(prefix)}" of inode ${inoIn(key)}`
    }
    case 'y':
      return `piece ${pieceOf(key, value).number} of where symbolic link ${inoIn(key)} leads`
    case 'o':
      return `inode ${numberIn(key)} has no name`
    case 'c':
      return `checksums of blocks ${CHUNK_BLOCKS * numberIn(key)} to ${CHUNK_BLOCKS * (numberIn(key) + 1) - 1}`
  }
  const [start, number, tag] = decodeNumbers(value, 3, key)
  const end = numberIn(key) + 1
  const blocks = `blocks ${start} to ${end - 1}`
  switch (key[0]) {
    case 'e': {
      const { start: first, end: last } = blocksOf({ start: start!, end, value: number!, tag: tag! })
      const where = tag === LOST ? '' : ` in blocks ${first} to ${last - 1}`
      return `pages ${start} to ${end - 1} of inode ${inoIn(key)}${where}: ${TAGS[tag!] ?? `tag ${tag}`}`
    }
    case 'f':
      return `${blocks} are free`
    case 'r':
      return `${blocks} are shared by ${number} extents`
    case 'l':
      return `${blocks} are pending free: ${tag === 0 ? 'allocated' : `freed by commit ${tag}`}`
    case 'p':
      return `${blocks} were unshared by commit ${tag}`
    default:
      return 'a record of no known kind'
  }
}

function inodeInWords(inode: Inode, ino: number): string {
  const { kind, mode, uid, gid, links, size, blocks, rdev, parent, generation } = inode
  const times = (['atime', 'mtime', 'ctime', 'btime'] as const).map(
    name => `${name} ${timeInWords(inode[name])}`,
  )
  const device = kind.endsWith('device') ? `, device ${rdev}` : ''
  const place = kind === 'directory' ? `, in directory ${parent}` : ''
  return `inode ${ino}: ${kind}${inode.sealed ? ', sealed' : ''}, mode ${mode.toString(8).padStart(4, '0')} of ${uid}:${gid}, ${links} links, ${size} bytes in ${blocks} blocks${device}${place}, generation ${generation}; ${times.join(', ')}`
}

function timeInWords({ seconds, nanoseconds }: Time): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`
}
