/** The database of LMDB that a volume lies on, whose commits a campaign fails. Imported once the host's calls are replaced. */
import { LmdbStore } from '../store/index.ts'
import { HostGround, Volume } from '../volumes/index.ts'

/** undefined: it has none, or another thread has it. */
export function databaseOf(volume: unknown): object | undefined {
  if (!(volume instanceof Volume)) return undefined
  const { ground } = volume['opened']
  const store = ground instanceof HostGround ? ground['store'] : undefined
  return store instanceof LmdbStore ? store['database'] : undefined
}
