/**
 * Worker threads that share a list of jobs, each taking the next one when it is done. Results come back in the order of
 * the jobs, whoever did them, so that an output doesn't depend on the number of workers.
 */
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type Job, type Result, runJob } from './job.ts'

export interface CrewOptions {
  readonly workers: number
  /** Called as each job ends. */
  readonly progress: (done: number, of: number, result: Result) => void
  readonly signal: AbortSignal | undefined
}

export const CREW_DEFAULTS: CrewOptions = {
  workers: availableParallelism(),
  progress: () => {},
  signal: undefined,
}

/** Does all jobs, in this thread if there is only one. */
export async function runJobs(jobs: readonly Job[], options: Partial<CrewOptions> = {}): Promise<Result[]> {
  const { workers, progress, signal } = { ...CREW_DEFAULTS, ...options }
  if (jobs.length === 1) return [runJob(jobs[0]!)]
  const results: Result[] = []
  let next = 0
  let done = 0
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL(`./worker${extname(import.meta.url)}`, import.meta.url))
      const stop = () => void worker.terminate()
      signal?.addEventListener('abort', stop, { once: true })
      let at = -1
      const give = () => {
        at = next++
        if (at < jobs.length) worker.postMessage(jobs[at])
        else stop()
      }
      worker.on('message', (result: Result) => {
        results[at] = result
        progress(++done, jobs.length, result)
        give()
      })
      worker.on('error', reject)
      worker.on('exit', () => {
        signal?.removeEventListener('abort', stop)
        resolve()
      })
      give()
    })
  await Promise.all(Array.from({ length: Math.min(workers, jobs.length) }, one))
  signal?.throwIfAborted()
  return results
}
