/** All cases, in one directory. */
import { attributeCases } from './attributes.ts'
import { Calls } from './calls.ts'
import { dataCases } from './data.ts'
import { descriptorCases } from './descriptors.ts'
import { edgeCases } from './edges.ts'
import { nameCases } from './names.ts'
import { existingCases, pathCases, stickyCases } from './paths.ts'
import { type Asked, World } from './world.ts'

export function askAll(base: string): readonly Asked[] {
  const calls = new Calls()
  const before = calls.umask(0o022)
  try {
    const world = new World(base, calls)
    // Whoever asks as another user has to get there.
    calls.chmod(base, 0o755)
    for (const cases of [
      pathCases,
      existingCases,
      stickyCases,
      attributeCases,
      nameCases,
      dataCases,
      descriptorCases,
      edgeCases,
    ])
      cases(world)
    return world.asked
  } finally {
    calls.umask(before)
  }
}
