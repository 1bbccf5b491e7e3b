/** Worker threads that share a list of jobs. */
export { inWorkers, type WorkersOptions } from './workers.ts'
