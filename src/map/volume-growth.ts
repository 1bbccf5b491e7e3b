/** A volume of the host that becomes larger: first what it lies on, then the volume. */
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'
import type { HostFile } from '../host/index.ts'
import { extendFile, NoRoom, type Place } from '../store/index.ts'
import { type Volume as Core, Growing, growingArgs } from '../volume/index.ts'
import { guarded } from './guarded.ts'
import { invalid } from './options.ts'
import type { VolumeCalls } from './volume-calls.ts'

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
      `grow of ${path}: size: expected at least the ${has} bytes that it has, got ${size}; a volume doesn't shrink`,
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
