/**
 * The calls that cross the wire, by the kind of object that is called: the library's own (api/), and what this room adds to
 * them. The caller's side makes them by name (remote.ts), the pager's side serves each (served.ts); both are typed by these
 * tables, so that neither can name a call, an argument or an answer that the other doesn't know.
 */
import type {
  AnonymousOptions,
  CallOptions,
  FileFace,
  GetFileOptions,
  GroupFace,
  MachineFace,
  MappingFace,
  PutOptions,
  SpaceFace,
  VolumeFace,
} from '../api/index.ts'
import type { Bytes, Pfn, Vpn } from '../base/index.ts'
import type { Miss } from '../mmu/index.ts'
import type { FileFacts, GroupFacts, MappingFacts, SpaceFacts, VolumeFacts } from './wire.ts'

/** What can be called of it by name, but for the end of its scope, which is a `close` or an `exit` of the caller's side. */
type Methods<Face> = {
  [Name in keyof Face as Name extends string
    ? Face[Name] extends (...args: never[]) => unknown
      ? Name
      : never
    : never]: Face[Name]
}

export interface MachineCalls extends Methods<MachineFace> {
  /** The process ends, and nobody has closed it. Returns what was lost, a sentence each. */
  leave(): readonly string[]
  /** Frames that were pinned for sections that have ended. */
  unpin(frames: readonly Pfn[]): void
}

export type GroupCalls = Methods<GroupFace>

export interface FileCalls extends Omit<Methods<FileFace>, 'read'> {
  size(): Bytes
  /** The bytes come with the answer: memory of the caller can't be filled from another thread. */
  read(length: Bytes, position: Bytes | bigint, options: CallOptions): Promise<Uint8Array>
}

export interface VolumeCalls extends Omit<Methods<VolumeFace>, 'get' | 'put' | 'getFile'> {
  readOnly(): boolean
  damage(): readonly string[]
  usage(): VolumeFace['usage']
  format(): number
  put(source: string | Uint8Array, to: string, options: PutOptions): Promise<Bytes>
  getFile(from: string, target: string, options: GetFileOptions): Promise<Bytes>
}

export interface SpaceCalls extends Omit<Methods<SpaceFace>, 'mapAnonymous'> {
  /** Is refused. */
  mapAnonymous(options: AnonymousOptions): never
}

export interface MappingCalls extends Omit<Methods<MappingFace>, 'run' | 'resize' | 'remap'> {
  /** A page that a section misses, counted from the start of the mapping. Returns the frame that is pinned for it; 0: none. */
  bring(page: Vpn, access: Miss['access'], options: Pick<CallOptions, 'signal'>): Promise<Pfn>
}

/** A call of one of the tables. */
export type Call<Calls, Name extends keyof Calls> = Extract<Calls[Name], (...args: never[]) => unknown>

/** What a call answers, as it crosses: of an object its facts, and in place of a promise what it is kept by. */
export type Answer<Calls, Name extends keyof Calls> = Facts<Awaited<ReturnType<Call<Calls, Name>>>>

type Facts<Value> = Value extends FileFace
  ? FileFacts
  : Value extends VolumeFace
    ? VolumeFacts
    : Value extends SpaceFace
      ? SpaceFacts
      : Value extends MappingFace
        ? MappingFacts
        : Value extends GroupFace
          ? GroupFacts
          : Value
