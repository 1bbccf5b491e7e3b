/** What this computer gives: its files as devices, and memory that they can be read into directly. */
export { HostFile, type HostFileOptions } from './host-file.ts'
export { memoryBuffer } from './memory-buffer.ts'
