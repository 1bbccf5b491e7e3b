/**
 * Random operations on a mounted volume against a flat model, those that only the tool asks for among them: ranges taken out and put
 * in, snapshots, dedupe.
 *
 *     node --conditions=faultline-source src/mount/exercise.fuzz.ts DIRECTORY [--seed N] [--count N]
 *
 * Takes root. Ends with 1, and the line that replays it, at the first answer that isn't the model's.
 */
import { FaultlineError } from '../calls/index.ts'
import { playAndTell, type Said, type Tool } from '../posix/index.ts'
import { textOf } from '../volume/index.ts'
import { askMounted } from './asking.ts'

/** `target`: where the volume is mounted; `base`: a directory below it. */
function toolOf(target: string, base: string): Tool {
  const pathOf = (path: string) => textOf(Buffer.from(base.slice(target.length) + path, 'latin1'))
  const said = (ask: () => unknown): Said => {
    try {
      ask()
      return 'OK'
    } catch (error) {
      if (error instanceof FaultlineError) return error.message
      throw error
    }
  }
  return {
    shift: (how, path, position, length) =>
      said(() => askMounted(target, how, { path: pathOf(path), position, length })),
    snapshot: (from, to) =>
      said(() => askMounted(target, 'snapshot', { from: pathOf(from), to: pathOf(to), mode: 'r+' })),
    dedupe: (one, other) => askMounted(target, 'dedupe', { one: pathOf(one), other: pathOf(other) }).same,
  }
}

playAndTell('--conditions=faultline-source src/mount/exercise.fuzz.ts', toolOf)
