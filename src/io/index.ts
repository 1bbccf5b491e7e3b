/** The I/O scheduler: bios, who goes when, and the news of their ends. */
export type { Bio, BioPlan } from './bio.ts'
export { type FrameBytes, Io } from './io.ts'
