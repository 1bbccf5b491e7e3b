/**
 * Traces of kernels as records: bytes in, one record an event out.
 *
 * A reader turns one form of trace into records (record.ts). Readers: text.ts (tracefs, perf script, trace-cmd report),
 * trace-dat.ts (trace.dat 6 and 7), ring.ts (raw buffers). What the records mean together is observe's.
 */
export type { Words } from './bytes.ts'
export { DumpReader, type HeldLock, isDump, type LikelyOwner, type SeenTask } from './dump.ts'
export { decoders, readFormat } from './format.ts'
export { Kallsyms } from './kallsyms.ts'
export { isPerfData, readPerfData } from './perf-data.ts'
export type { ReadOptions, ReadResult, UnreadEvents } from './reading.ts'
export { emptyRecord, KIND_OF_EVENT, Kind, type Sink, TraceError, type TraceRecord } from './record.ts'
export { Merge, type PageSource, readPages } from './ring.ts'
export { type TextOptions, TextReader } from './text.ts'
export { isTraceDat, readTraceDat } from './trace-dat.ts'
