/** Open files: of this computer, and on servers. */

export { checkClosing, FILE_BYTES_MAX, File, tooLong } from './file.ts'
export { CachedCalls, type FileCalls, type Job, job } from './file-calls.ts'
export { CREATES, MODES, openHost, openSwap, type SwapFile } from './host-open.ts'
export { leave } from './leaving.ts'
export { bucketAlone, RemoteFiles, remoteAddress, remoteName } from './remote-files.ts'
