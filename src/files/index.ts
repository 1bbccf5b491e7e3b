/** Open files: of this computer, and on servers. */

export { checkClosing, FILE_BYTES_MAX, File, tooLong } from './file.ts'
export { CachedCalls, type FileCalls, type Job, job } from './file-calls.ts'
export { HostFiles } from './host-files.ts'
export { openSwap, type SwapFile } from './host-open.ts'
export { bucketAlone, RemoteFiles, remoteAddress, remoteName } from './remote-files.ts'
