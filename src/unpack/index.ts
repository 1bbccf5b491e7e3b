/**
 * Files of traces, however they come: packed, zipped, through a pipe, in a log, one file for each CPU. Bytes of any of them
 * become trace's records.
 */
export { readTrace } from './open.ts'
