/** A volume of the host that becomes larger: first what it lies on, then the volume; and smaller, the other way round. */
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'
import { FaultlineError, invalid } from '../calls/index.ts'
import type { HostFile } from '../host/index.ts'
import { extendFile, NoRoom, type Place } from '../store/index.ts'
import { type Volume as Core, Growing, growingArgs, Shrinking, shrinkingArgs } from '../volume/index.ts'
import { guarded } from './guarded.ts'
import type { VolumeCalls } from './volume-calls.ts'

/** What a volume has at least: its first block and one for data. */
const BLOCKS_MIN = 2

/** What grows, and where it lies. */
interface Grown {
  readonly core: Core
  readonly place: Place
  readonly device: HostFile
}

export async function grow(calls: VolumeCalls, { core, device, place }: Grown, size: Bytes): Promise<void> {
  const path = place.directory
  const { blockSize, blocks } = core.header
  const has = blocks * blockSize
  if (size < has)
    throw invalid(
      'grow',
      `grow of ${path}: size: expected at least the ${has} bytes that it has, got ${size}; see shrink`,
    )
  await guarded('grow', path, async () => {
    if (size <= device.measure() || core.isReadOnly) return
    if (!fs.statSync(place.data).isFile()) throw new NoRoom(device.length - has)
    await extendFile(place.data, size)
    device.measure()
  })
  const args = growingArgs(core, Math.floor(size / blockSize))
  await calls.perform(new Growing(), args, { operation: 'grow', where: path })
}

export async function shrink(calls: VolumeCalls, { core, device, place }: Grown, size: Bytes): Promise<void> {
  const path = place.directory
  const { blockSize, blocks } = core.header
  const wanted = Math.floor(size / blockSize)
  if (wanted === blocks) return
  if (wanted > blocks || wanted < BLOCKS_MIN)
    throw invalid(
      'shrink',
      `shrink of ${path}: size: expected ${BLOCKS_MIN * blockSize} to the ${blocks * blockSize} bytes that it has, got ${size}`,
    )
  const call = { operation: 'shrink', where: path }
  await calls.perform(new Shrinking(), shrinkingArgs(core, wanted), call).catch((error: unknown) => {
    if (!(error instanceof FaultlineError) || error.code !== 'ENOSPC') throw error
    const { used } = core.usage
    throw new FaultlineError(
      'ENOSPC',
      'shrink',
      `shrink of ${path} to ${size} bytes: what it holds takes ${(used + 1) * blockSize}; remove something first`,
      error,
    )
  })
  await guarded('shrink', path, async () => {
    if (!fs.statSync(place.data).isFile()) return
    fs.truncateSync(place.data, wanted * blockSize)
    device.measure()
  })
}
