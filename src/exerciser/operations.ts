/**
 * What the exerciser can do to an engine, as plain data: a run is a plan and a list of rounds, so that it can be kept,
 * replayed and made smaller. The operations of a round are in flight together.
 *
 * Any sublist of a run is a run: an operation that means nothing where it stands (a space that isn't there, a child's
 * place that is taken) is passed over.
 *
 * Units   `at`, `length`, `size` in bytes; `page`, `pages` and the `from` of a mapping in pages; `space`, `open`, `file`
 *         are places from 0. The opening `open` is one of the file `open % plan.files`.
 */
import type { Bytes, Errno, Ns } from '../base/index.ts'
import type { MemoryAdvice } from '../space/index.ts'

export type Kept = 'shared' | 'private' | 'anonymous'
export type Allowed = 'nothing' | 'loads' | 'stores'

/** Pages of a space's window. */
export interface Pages {
  readonly space: number
  readonly page: number
  readonly pages: number
}

/** Bytes of a space's window, or of the file. */
export interface Span {
  readonly at: Bytes
  readonly length: Bytes
}

/** Bytes of one file that go to another. */
export interface Remap {
  readonly source: number
  readonly from: Bytes
  readonly target: number
  readonly to: Bytes
  readonly length: Bytes
}

export type Operation = { readonly pause?: Ns } & (
  | ({ readonly kind: 'load'; readonly space: number } & Span)
  | ({ readonly kind: 'store'; readonly space: number; readonly seed: number } & Span)
  | ({ readonly kind: 'read'; readonly open: number } & Span)
  | ({ readonly kind: 'write'; readonly open: number; readonly seed: number } & Span)
  | { readonly kind: 'truncate'; readonly file: number; readonly size: Bytes }
  | ({ readonly kind: 'punch'; readonly file: number } & Span)
  | ({ readonly kind: 'clone' } & Remap)
  | ({ readonly kind: 'dedupe' } & Remap)
  | ({ readonly kind: 'copy' } & Remap)
  | ({ readonly kind: 'unshare'; readonly file: number } & Span)
  | ({ readonly kind: 'allocate' | 'zero'; readonly file: number; readonly keeps: 'size' | 'nothing' } & Span)
  /** Of whole pages. */
  | ({ readonly kind: 'collapse' | 'insert'; readonly file: number } & Span)
  | { readonly kind: 'crash'; readonly seed: number }
  | { readonly kind: 'sync'; readonly open: number }
  | ({ readonly kind: 'msync' } & Pages)
  | ({
      readonly kind: 'map'
      readonly share: Kept
      readonly allowed: Allowed
      readonly open: number
      readonly from: number
      readonly place: 'here' | 'anywhere'
    } & Pages)
  | ({ readonly kind: 'unmap' } & Pages)
  | ({
      readonly kind: 'mremap'
      readonly newPages: number
      /** A page of the window; null: where it is. */
      readonly to: number | null
      readonly old: 'is unmapped' | 'stays mapped'
    } & Pages)
  | ({ readonly kind: 'protect'; readonly allowed: Allowed } & Pages)
  | ({
      readonly kind: 'advise'
      readonly advice: MemoryAdvice | 'collapse'
    } & Pages)
  | ({ readonly kind: 'populate'; readonly access: 'load' | 'store' } & Pages)
  | ({ readonly kind: 'lock'; readonly to: 'locked' | 'unlocked' } & Pages)
  | { readonly kind: 'fork'; readonly space: number; readonly child: number }
  | { readonly kind: 'exit'; readonly space: number }
  | { readonly kind: 'reopen'; readonly open: number }
  | { readonly kind: 'evict' }
  | { readonly kind: 'idle'; readonly ns: Ns }
  | { readonly kind: 'break'; readonly nth: number; readonly times: number; readonly errno: Errno }
  | { readonly kind: 'heal' }
)

export type Kind = Operation['kind']
export type Of<K extends Kind> = Extract<Operation, { readonly kind: K }>

/** Operations in flight together. */
export type Round = readonly Operation[]

/** The world that a run is played in. */
export interface Plan {
  readonly discipline: string
  readonly backend: 'memory' | 'file'
  readonly pageSize: Bytes
  /** Of memory, the zero page with them. */
  readonly frames: number
  readonly swap: boolean
  /** How large a file may become, and how large each space's window is. */
  readonly filePages: number
  readonly windowPages: number
  /** How large the first file is at first; others are empty. */
  readonly size: Bytes
  /** Blocks of 4096 bytes that the device has room for; null: as many as it likes. Those of a volume, if there is one. */
  readonly blocks: number | null
  /** How the files of a volume are open; null: there is one file, on a device of its own. */
  readonly volume: 'cached' | 'dax' | null
  readonly files: number
  /** Whether operations of the kinds `break` and `heal` are made. */
  readonly errors: boolean
  /** Seeds how long the device takes for each request. */
  readonly seed: number
}

export interface Run {
  readonly plan: Plan
  readonly rounds: readonly Round[]
}

export const SPACES = 4
export const OPENINGS = 3

/** What `store` and `write` store: never zero, and different from one seed to the next. */
export function contentOf(seed: number, length: Bytes): Uint8Array {
  const bytes = new Uint8Array(length)
  let value = Math.imul(seed, 0x9e3779b1) >>> 0
  for (let at = 0; at < length; at++) {
    bytes[at] = 1 + (value % 255)
    value = value + 31 + (at >>> 8)
  }
  return bytes
}

export function countOf(rounds: readonly Round[]): number {
  let count = 0
  for (const round of rounds) count += round.length
  return count
}
