/** The recount of the whole engine, and of the volume if there is one, as the exerciser's inspection. */
import { recount } from '../engine/recount.suite.ts'
import { VolumeBackend } from './volume-backend.ts'
import type { World } from './world.ts'

export function inspect({ backend }: World): string | undefined {
  const found = recount(backend.engine)
  if (backend instanceof VolumeBackend) found.push(...backend.wrong())
  return found.length === 0 ? undefined : `the recount finds: ${found.join('; ')}`
}
