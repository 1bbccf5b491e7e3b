/** The recount of the whole engine as the exerciser's inspection. */
import { recount } from '../machine/recount.suite.ts'
import type { World } from './world.ts'

export function inspect(world: World): string | undefined {
  const found = recount(world.backend.engine)
  return found.length === 0 ? undefined : `the recount finds: ${found.join('; ')}`
}
