/** How volumes are made and opened: on this computer, and of many machines. */
import type { Bytes } from '../base/index.ts'
import type { RemoteOptions } from './opening.ts'

/** Where a volume of many machines lies, and how its bucket is asked. */
export interface SharedPlaceOptions
  extends Pick<RemoteOptions, 'fetch' | 'endpoint' | 'region' | 'credentials' | 'cache'> {
  /** 'postgres://user@host/database': its metadata lie there, and the volume is known by its name. Needs the package `pg`. */
  readonly meta?: string
}

/** What a new volume is to be. */
export interface CreateVolumeOptions extends SharedPlaceOptions {
  /** How much data it may hold: bytes, or a size like '256 MiB'. Of what is there already it takes all. */
  readonly size?: Bytes | string
  /**
   * A file or a block device that is to hold the data; a file in the volume's directory if left out. With `meta`: 's3://bucket/prefix'.
   */
  readonly data?: string
  /** Of a volume whose making was ended nothing is left. */
  readonly signal?: AbortSignal
}

/** How a volume is opened. */
export interface OpenVolumeOptions extends SharedPlaceOptions {
  /**
   * Which commit a reader of a volume of many machines sees: the newest when it opens it ('open', if left out), or each soon after it
   * was made ('commits'), which takes a software machine. A section of `map.run` sees one commit in either.
   */
  readonly follow?: 'open' | 'commits'
  /** 'r' if left out. */
  readonly mode?: 'r' | 'r+'
}
