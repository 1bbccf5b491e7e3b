/** The recount of the whole engine, and of the volume if there is one, as the exerciser's inspection. */
import { check } from '../engine/index.ts'
import { VolumeBackend } from './volume-backend.ts'
import type { World } from './world.ts'

export function inspect({ backend }: World): string | undefined {
  const found = check(backend.engine)
  if (backend instanceof VolumeBackend) found.push(...backend.wrong())
  return found.length === 0 ? undefined : `the recount finds: ${found.join('; ')}`
}
