/** Everything that one frame of a timeline is painted from. */
import type { Link } from './chain.ts'
import type { Inks } from './inks.ts'
import type { Layout } from './layout.ts'
import type { Track } from './track.ts'
import type { View } from './view.ts'

export interface Scene {
  readonly track: Track
  readonly layout: Layout
  readonly view: View
  readonly inks: Inks
  readonly width: number
  readonly height: number
  readonly scrolled: number
  /** For each style, 1 where the filter of locks makes it pale. */
  readonly pale: Uint8Array
  readonly chain: readonly Link[]
}
