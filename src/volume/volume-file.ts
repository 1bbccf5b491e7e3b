/** A file of a volume that is open, with its pages in the cache. */
import type { CachedFile } from '../cache/index.ts'
import type { Node } from './parts.ts'

export interface VolumeFile {
  readonly node: Node
  readonly cached: CachedFile
  openings: number
}
