/** Records in words, for people who look at a volume's metadata. */
import { blocksOf, LOST } from './extents.ts'
import { Damage } from './failure.ts'
import type { Record } from './journal.ts'
import {
  CHUNK_BLOCKS,
  decodeHeader,
  decodeInode,
  decodeLink,
  decodeNumbers,
  decodeState,
  inoIn,
  nameIn,
  numberIn,
  SEALED,
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
      const { blocks, blockSize, id, checksum } = decodeHeader(value)
      return `volume ${id}: ${blocks} blocks of ${blockSize} bytes, checksums by ${checksum}`
    }
    case 's': {
      const { nextIno, free, deferred } = decodeState(value)
      return `the next inode is ${nextIno}; ${free} blocks are free, ${deferred} wait for a commit`
    }
    case 'i': {
      const { kind, links, size } = decodeInode(value, numberIn(key))
      const sealed = kind === 'directory' && size === SEALED ? ', sealed' : ''
      return `inode ${numberIn(key)}: ${kind}, ${links} names, ${kind === 'file' ? size : 0} bytes${sealed}`
    }
    case 'd': {
      const { ino, kind } = decodeLink(value, key)
      return `"${nameIn(key)}" in directory ${inoIn(key)}: inode ${ino}, ${kind}`
    }
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
      return `${blocks} are in limbo: ${tag === 0 ? 'claimed' : `freed by commit ${tag}`}`
    case 'p':
      return `${blocks} were parted by commit ${tag}`
    default:
      return 'a record of no known kind'
  }
}
