/** sync of a volume as a task: a commit that has everything changed so far. */
import { errno } from '../base/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import type { Commits } from './commit.ts'

export interface SyncVolumeArgs {
  commit: Ticket | undefined
}

export class SyncVolume implements Verb<SyncVolumeArgs> {
  readonly name = 'sync of a volume'
  private readonly commits: Commits

  constructor(commits: Commits) {
    this.commits = commits
  }

  attempt({ args }: Task<SyncVolumeArgs>): Outcome {
    args.commit ??= this.commits.request()
    if (!args.commit.complete) return wait(args.commit, 'device')
    return args.commit.errno === errno.OK ? done : fail(args.commit.errno)
  }
}
