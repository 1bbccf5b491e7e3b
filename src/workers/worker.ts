/** One of the threads of workers.ts: does each job that it is sent by the module that it was told, and sends what came of it. */
import { parentPort, workerData } from 'node:worker_threads'
import type { JobModule } from './workers.ts'

const { runJob }: JobModule<unknown, unknown> = await import(workerData)

parentPort?.on('message', job => parentPort!.postMessage(runJob(job)))
