/** Filesystems as Mappables: files that lie on a device as they are, files in memory, and the swap area. */
export { LinearFile, type LinearOptions } from './linear-file.ts'
export { RamFile } from './ram-file.ts'
export { Swap } from './swap.ts'
