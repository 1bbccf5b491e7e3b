/** What this computer gives: its files as devices, and memory that they can be read into directly. */
export { type HostCalls, NODE_CALLS } from './calls.ts'
export { closeDescriptor } from './descriptor.ts'
export { hasDisk } from './disks.ts'
export { EndingCalls } from './ending-calls.ts'
export { deviceBytes, diskOf, HostFile, type HostFileOptions } from './host-file.ts'
export { type AtExit, lastAtExit, listenersAfter } from './last-words.ts'
export { memoryBuffer } from './memory-buffer.ts'
export { renameToNew, syncDirectory, syncName } from './name.ts'
