/** A batch of crashes as a piece of work for one thread: plain data, so it may be sent to a worker. */
import { inWorkers, type WorkersOptions } from '../workers/index.ts'
import { type Crashed, crashBatch } from './explore.ts'
import { plantedNamed } from './planted.ts'
import type { Batch } from './workloads.ts'

export interface Job {
  readonly batch: Batch
  /** The name of a bug to plant. */
  readonly planted?: string | undefined
}

export function runJob({ batch, planted }: Job): Crashed {
  return crashBatch(batch, plantedNamed(planted))
}

/** Does all jobs, in worker threads where there is more than one. */
export function runJobs(jobs: readonly Job[], options: Partial<WorkersOptions<Crashed>>): Promise<Crashed[]> {
  return inWorkers<Job, Crashed>(import.meta.url, jobs, options)
}
