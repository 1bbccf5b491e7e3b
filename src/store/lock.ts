/**
 * Who may have a volume open: one process to write, or many to read.
 *
 *     data, data.mdb    locked by the kernel (file-lock.ts): the files themselves, by whatever name they are reached
 *     locks/            a note of who it is (owner.ts); the lock itself where nobody else keeps it
 *
 * Without the kernel's locks whoever comes leaves its note first and looks at the others then: of two that come at once at
 * least one sees the other, and goes. What that can't see is a copy of the metadata whose data is the same file, and a
 * reader that may not leave a note. On filesystems of the network the kernel of each host may be alone with its locks, so
 * there the notes of other hosts count beside them.
 *
 * Invariants
 *   LK1 While a writer has the volume nobody else has it.
 *   LK2 A lock goes with its process, however that ends.
 *   LK3 A note that is torn, or left over, keeps nobody out.
 */

import fs from 'node:fs'
import { codeOf } from '../base/index.ts'
import { FileLock, Taken } from './file-lock.ts'
import {
  canTell,
  isGone,
  isOfThisHost,
  leaveNote,
  type Note,
  notes,
  type Owner,
  removeNote,
} from './owner.ts'
import type { Place } from './place.ts'

/** Somebody else has the volume. */
export class Locked extends Error {
  readonly owner: Owner | undefined

  /** `found`: who it is by a note. `proof`: what else than that says so. */
  constructor(
    found: { readonly owner: Owner; readonly path: string } | undefined,
    proof: 'its lock' | 'nothing',
  ) {
    if (found === undefined) super('somebody else has it open; wait until it has been closed')
    else {
      const { owner, path } = found
      const { pid, host, since, mode } = owner
      const remedy =
        proof === 'its lock' || canTell(owner)
          ? 'wait until it has closed it'
          : `if that process is gone, remove ${path}`
      super(
        `process ${pid} of ${host} has it open ${mode === 'r+' ? 'to write' : 'to read'} since ${since}; ${remedy}`,
      )
    }
    this.owner = found?.owner
  }
}

/** What statfs(2) calls filesystems that other hosts may have too: NFS, SMB, FUSE, 9p, Ceph, AFS, GFS2, OCFS2. */
const SHARED_FILESYSTEMS: ReadonlySet<number> = new Set([
  0x6969, 0xff534d42, 0xfe534d42, 0x517b, 0x65735546, 0x01021997, 0x00c36400, 0x5346414f, 0x01161970,
  0x7461636f,
])
/** What keeps a note from being left, and nobody from reading. */
const NO_NOTE: readonly string[] = ['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE']

export class VolumeLock {
  private readonly locks: readonly FileLock[]
  private readonly note: string | undefined

  private constructor(locks: readonly FileLock[], note: string | undefined) {
    this.locks = locks
    this.note = note
  }

  /** `data`: the lock of the data, if it is held already; the volume's from here on. Throws Locked, or what the host says. */
  static async take(place: Place, mode: 'r' | 'r+', data?: FileLock): Promise<VolumeLock> {
    const hold = mode === 'r+' ? 'exclusive' : 'shared'
    const locks: FileLock[] = []
    let note: string | undefined
    try {
      locks.push(data ?? (await FileLock.take(place.data, hold)))
      locks.push(await FileLock.take(place.store, hold))
      const kept = locks.every(lock => lock.kept === 'by the kernel') ? 'by the kernel' : 'by nobody'
      note = noteOf(place, mode, kept)
      const trusted = kept === 'by the kernel' && !isShared(place.data)
      for (const other of notes(place.directory)) if (other.path !== note) lookAt(other, mode, kept, trusted)
      return new VolumeLock(locks, note)
    } catch (error) {
      if (note !== undefined) removeNote(note)
      for (const lock of locks) lock.release()
      throw error instanceof Taken ? new Locked(ownerIn(place, mode), 'its lock') : error
    }
  }

  release(): void {
    if (this.note !== undefined) removeNote(this.note)
    for (const lock of this.locks) lock.release()
  }
}

/** undefined: none could be left, and none has to be. */
function noteOf({ directory }: Place, mode: 'r' | 'r+', kept: FileLock['kept']): string | undefined {
  try {
    return leaveNote(directory, mode, kept)
  } catch (error) {
    const code = codeOf(error) ?? ''
    if (NO_NOTE.includes(code) && (mode === 'r' || kept === 'by the kernel')) return undefined
    throw error
  }
}

/** Throws Locked if a note is in the way. Removes it if it is nobody's. `trusted`: what the kernel says holds for all. */
function lookAt({ path, owner }: Note, mode: 'r' | 'r+', kept: FileLock['kept'], trusted: boolean): void {
  if (owner !== undefined && !isGone(owner)) {
    if (mode === 'r' && owner.mode === 'r') return
    // Had its owner the lock yet, this process hadn't got it.
    const bothAsked = owner.kept === 'by the kernel' && kept === 'by the kernel'
    if (!bothAsked || !(trusted || isOfThisHost(owner))) throw new Locked({ owner, path }, 'nothing')
  }
  removeNote(path)
}

/** Whose lock it may be that is in the way. */
function ownerIn({ directory }: Place, mode: 'r' | 'r+'): { owner: Owner; path: string } | undefined {
  for (const { path, owner } of notes(directory))
    if (owner !== undefined && !isGone(owner) && (mode === 'r+' || owner.mode === 'r+'))
      return { path, owner }
  return undefined
}

function isShared(path: string): boolean {
  return SHARED_FILESYSTEMS.has(fs.statfsSync(path).type)
}
