/**
 * The header of a volume: the same in the store and in the device's first block, so that the two can be told to belong
 * together. In the block a checksum of the whole block is its last eight bytes.
 */
import type { Bytes } from '../base/index.ts'
import type { Checksum } from './checksum.ts'
import { Damage } from './failure.ts'
import { decodeHeader, encodeHeader, type Header, putU64, u64, viewOf } from './records.ts'

export function headerBlock(header: Header, checksum: Checksum): Uint8Array {
  const block = new Uint8Array(header.blockSize)
  block.set(encodeHeader(header))
  const end = header.blockSize - 8
  putU64(viewOf(block), end, checksum.of(block.subarray(0, end)))
  return block
}

/** Throws Damage unless the device's first block is that of a volume. */
export function checkBlock(block: Uint8Array, checksum: Checksum, device: string): void {
  const end: Bytes = block.length - 8
  if (u64(viewOf(block), end) !== checksum.of(block.subarray(0, end)))
    throw new Damage(
      `${device}, offset 0: the device's first block doesn't match its checksum: it isn't a volume's, or is damaged`,
    )
}

/** Throws Damage unless it is that of the volume that the store tells of. */
export function checkHeaderBlock(
  block: Uint8Array,
  header: Header,
  checksum: Checksum,
  device: string,
): void {
  checkBlock(block, checksum, device)
  const there = decodeHeader(block)
  if (there.id !== header.id)
    throw new Damage(
      `${device}, offset 0: the device is of volume ${there.id}, and the metadata of volume ${header.id}`,
    )
}

/** The volume whose first block it is; undefined: no volume's, or it is damaged. */
export function idIn(block: Uint8Array, checksum: Checksum): number | undefined {
  try {
    checkBlock(block, checksum, '')
    return decodeHeader(block).id
  } catch (error) {
    if (error instanceof Damage) return undefined
    throw error
  }
}

/** What the first bytes of a device say of its blocks; undefined: they aren't those of a volume. */
export function blockSizeIn(bytes: Uint8Array): Bytes | undefined {
  try {
    return decodeHeader(bytes).blockSize
  } catch (error) {
    if (error instanceof Damage) return undefined
    throw error
  }
}
