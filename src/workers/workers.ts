/**
 * Worker threads that share a list of jobs, each taking the next one when it is done. Results come back in the order of
 * the jobs, whoever did them, so that an output doesn't depend on the number of workers.
 */
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'

export interface WorkersOptions<Result> {
  readonly workers: number
  /** Called as each job ends. */
  readonly progress: (done: number, of: number, result: Result) => void
  readonly signal: AbortSignal | undefined
}

/** What a module of jobs exports: does one job. Jobs and results are plain data, so they may be sent to a worker and back. */
export interface JobModule<Job, Result> {
  runJob(job: Job): Result
}

/** Has the module at the URL `module` do all jobs, in this thread if there is only one. */
export async function inWorkers<Job, Result>(
  module: string,
  jobs: readonly Job[],
  options: Partial<WorkersOptions<Result>> = {},
): Promise<Result[]> {
  const { workers = availableParallelism(), progress, signal } = options
  if (jobs.length === 1) {
    const { runJob }: JobModule<Job, Result> = await import(module)
    return [runJob(jobs[0]!)]
  }
  const results: Result[] = []
  let next = 0
  let done = 0
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL(`./worker${extname(import.meta.url)}`, import.meta.url), {
        workerData: module,
      })
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
        progress?.(++done, jobs.length, result)
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
