/** What is known of a volume of many machines by who doesn't open it: its blocks, who has it open; and taking its lease away. */
import type { Bytes } from '../base/index.ts'
import { shown } from '../group/index.ts'
import {
  type Attendance,
  attendanceOf,
  fenceVolume,
  findVolume,
  ownerNow,
  Postgres,
  upgradeSchema,
  type VolumeRow,
} from '../machines/index.ts'
import { FaultlineError } from './error.ts'
import { told } from './shared-volume.ts'

/** Bytes of a block. */
export function sharedBlockSize(name: string, meta: string): Promise<Bytes> {
  return inDatabase('openVolume', name, meta, async (_, { data }) => data.blockSize)
}

/** Who has it open, and how far it is. */
export function whoShares(name: string, meta: string): Promise<Attendance> {
  return inDatabase('who', name, meta, (postgres, { id }) => attendanceOf(postgres, id))
}

/** Takes the lease from who writes: what he hasn't made durable by now never will be. Returns who it was taken from. */
export function fenceShared(name: string, meta: string): Promise<Attendance> {
  return inDatabase('fence', name, meta, async (postgres, { id }) => {
    const before = await attendanceOf(postgres, id)
    const epoch = await fenceVolume(postgres, id, ownerNow())
    return { ...before, epoch }
  })
}

function inDatabase<T>(
  operation: string,
  name: string,
  meta: string,
  act: (postgres: Postgres, row: VolumeRow) => Promise<T>,
): Promise<T> {
  return told({ operation, name, options: { meta } }, async () => {
    const postgres = await Postgres.open(meta)
    try {
      await upgradeSchema(postgres)
      const row = await findVolume(postgres, name)
      if (row === undefined)
        throw new FaultlineError('ENOENT', operation, `there is no volume ${shown(name)} in ${postgres.name}`)
      return await act(postgres, row)
    } finally {
      await postgres.close()
    }
  })
}
