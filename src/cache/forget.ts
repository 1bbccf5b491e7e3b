/**
 * The end of a cached file: waits for its pages and reservations in flight, drops them all, in slices, and forgets it.
 * Whoever ends a file syncs it first; what is still dirty then could not be written, has been told as an error, and is
 * dropped.
 *
 * Invariants
 *   FG1 Afterwards no frame belongs to the file, and nothing of it is on its way.
 */
import { END } from '../base/index.ts'
import { again, done, type Outcome, type Task, type Verb, wait } from '../sched/index.ts'
import type { CachedFile } from './cached-file.ts'
import type { PageCache } from './page-cache.ts'

export interface ForgetArgs {
  readonly file: CachedFile
}

export class Forget implements Verb<ForgetArgs> {
  readonly name = 'close'
  private readonly cache: PageCache

  constructor(cache: PageCache) {
    this.cache = cache
  }

  attempt(task: Task<ForgetArgs>): Outcome {
    const { file } = task.args
    const { siblings } = this.cache.frames
    const reservation = file.backing.reservationIn(file, 0, Infinity)
    if (reservation !== undefined) return wait(reservation, 'reserve')
    if (file.invalidation !== undefined) return wait(file.invalidation.ticket, 'invalidate')
    const inFlight = file.bioIn(0, Infinity)
    if (inFlight !== undefined) return wait(this.cache.boostBio(inFlight, task.group), 'page lock')
    for (let dropped = 0; dropped < this.cache.slicePages; dropped++) {
      const clean = siblings.head(file.clean)
      const frame = clean === END ? siblings.head(file.dirty) : clean
      if (frame === END) {
        this.cache.forget(file)
        return done
      }
      this.cache.remove(file, frame)
    }
    return again
  }
}
