/** The I/O scheduler: bios, who goes when, and the news of their ends. */
export type { Bio, BioPlan } from './bio.ts'
export { DELAY_MAX } from './delay.ts'
export type { DiskOptions } from './disk.ts'
export { EVERY_DISK, type FrameBytes, Io } from './io.ts'
export type { LatencyReport } from './latency.ts'
export type { IoStat } from './stat.ts'
export { type IoMax, NO_LIMIT } from './throttle.ts'
