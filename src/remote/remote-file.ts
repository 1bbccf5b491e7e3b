/** What all requests for one file have in common: where it is, who serves it, and how it is asked. */
import type { Keep } from './keep.ts'
import type { Origin } from './origin.ts'
import type { RemoteSettings } from './settings.ts'

export interface RemoteFile {
  /** How the file is called: an address without secrets. */
  readonly name: string
  /** What no other file has: its address without what only says who asks. */
  readonly identity: string
  /** Where it is, which may hold what nobody should read. */
  readonly url: string
  /** Where the version of that id stays, whatever becomes of the newest; undefined: nowhere. */
  readonly urlOf?: (versionId: string) => string
  readonly origin: Origin
  readonly settings: RemoteSettings
  /** Where parts of it are kept; undefined: nowhere. */
  readonly keep?: Keep
}
