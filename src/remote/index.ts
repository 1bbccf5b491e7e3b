/** Files on servers as devices that can be read: HTTP ranges, S3 objects. */
export { Chunks } from './chunks.ts'
export { HttpDevice } from './http-device.ts'
export { below, type Keep } from './keep.ts'
export { type HttpDevicePlan, httpDevice } from './open.ts'
export { Origin } from './origin.ts'
export { RangeFetch, type RemoteCounts } from './range-fetch.ts'
export { RemoteError } from './remote-error.ts'
export type { RemoteFile } from './remote-file.ts'
export { type S3Credentials, s3Address, signed } from './s3.ts'
export {
  type Authorization,
  type Fetch,
  freshHeaders,
  plainHeaders,
  REMOTE_DEFAULTS,
  type RemoteSettings,
} from './settings.ts'
export type { Pin } from './version.ts'
