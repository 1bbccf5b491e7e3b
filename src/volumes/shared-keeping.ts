/** What is done with a volume of many machines by who doesn't open it: asking who has it open, taking its lease away, collecting garbage. */
import type { SharedPlaceOptions } from '../api/index.ts'
import type { Bytes } from '../base/index.ts'
import { aborted, FaultlineError, isAborted } from '../calls/index.ts'
import { bucketAlone } from '../files/index.ts'
import { shown } from '../group/index.ts'
import {
  type Attendance,
  attendanceOf,
  Bucket,
  type Collected,
  collect,
  fenceVolume,
  findVolume,
  ownerNow,
  Postgres,
  placeOf,
  upgradeSchema,
  type VolumeRow,
} from '../machines/index.ts'
import { RemoteError } from '../remote/index.ts'
import { volumeBlockSize } from './repair-volume.ts'
import { placeOptions, told } from './shared-volume.ts'

/** The page size that a machine needs to open the volume, wherever that is. */
export async function blockSizeOf(path: string, { meta }: SharedPlaceOptions): Promise<Bytes> {
  if (meta === undefined) return volumeBlockSize(path)
  return inDatabase('openVolume', path, meta, async (_, { data }) => data.blockSize)
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

/** How garbage is collected. */
export interface CollectPlan {
  readonly how: 'collect' | 'only count'
  readonly signal?: AbortSignal
  /** Hears of objects that went, or would. */
  readonly progress?: (objects: number) => void
}

/** Removes from its bucket what nobody can see any more. Others may go on meanwhile. */
export function collectShared(
  name: string,
  place: SharedPlaceOptions & { readonly meta: string },
  { how, signal, progress = () => {} }: CollectPlan,
): Promise<Collected> {
  return inDatabase('collect', name, place.meta, async (postgres, row) => {
    const at = placeOf(row)
    const { origin, settings } = await bucketAlone(new URL(at.url), placeOptions(place, at))
    const bucket = new Bucket(at, origin, settings)
    const { blockSize } = row.data
    try {
      return await collect({ postgres, volume: row.id, blockSize, bucket, how, signal, progress })
    } catch (error) {
      if (isAborted(signal)) throw aborted('collect', name, signal.reason)
      if (!(error instanceof RemoteError)) throw error
      throw new FaultlineError(error.code, 'collect', `collect of ${name}: ${error.message}`, error)
    }
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
