/**
 * msync: makes what was stored through the shared file mappings of a range durable, one VMA after the other.
 *
 * The space is locked only to look the next VMA up; each file is synced by a task of its own, without any lock, and the
 * VMAs are looked up again after it (Linux mm/msync.c drops the mmap lock around vfs_fsync_range in the same way).
 *
 * Errors   ENOMEM for a hole, told at the end; EBUSY at once for what is locked, if it is to be invalidated; otherwise the first error of a file.
 */
import { type Errno, errno, type Vpn } from '../base/index.ts'
import { type Sync, syncArgs } from '../cache/index.ts'
import { indexOf, type Mm, type OpenFile, type Space, type Vma } from '../mm/index.ts'
import {
  done,
  fail,
  type Outcome,
  releaseAll,
  type Task,
  type Ticket,
  type Verb,
  wait,
} from '../sched/index.ts'
import { lockForReading } from './vmas.ts'

/** MS_ASYNC, here `later`, looks for holes alone; MS_INVALIDATE refuses what is locked in memory, and is true of every mapping anyway. */
export type MsyncFlag = 'sync' | 'later' | 'invalidate'

export interface MsyncArgs {
  readonly space: Space
  readonly end: Vpn
  readonly flags: readonly MsyncFlag[]
  /** Up to here everything is synced. */
  vpn: Vpn
  error: Errno
  /** The sync of a file in the cache. */
  child: Task | undefined
  /** The end of that, or of what another file is asked. */
  synced: Ticket | undefined
}

export function msyncArgs(
  space: Space,
  start: Vpn,
  end: Vpn,
  flags: readonly MsyncFlag[] = ['sync'],
): MsyncArgs {
  return { space, end, flags, vpn: start, error: errno.OK, child: undefined, synced: undefined }
}

export class Msync implements Verb<MsyncArgs> {
  readonly name = 'msync'
  private readonly mm: Mm
  private readonly sync: Sync

  constructor(mm: Mm, sync: Sync) {
    this.mm = mm
    this.sync = sync
  }

  attempt(task: Task<MsyncArgs>): Outcome {
    const { args } = task
    for (;;) {
      if (args.synced?.complete === false)
        return wait(args.synced, args.child === undefined ? 'device' : 'child')
      if (args.error === errno.OK) args.error = args.synced?.errno ?? errno.OK
      args.child = undefined
      args.synced = undefined
      const queued = lockForReading(task, args.space)
      if (queued !== undefined) return queued
      const vma = this.next(args)
      if ((vma?.start ?? args.end) > args.vpn && args.error === errno.OK) args.error = errno.ENOMEM
      const refused = vma?.locked === true && args.flags.includes('invalidate')
      if (vma !== undefined && !refused) this.begin(task, vma)
      releaseAll(task)
      if (refused) return fail(errno.EBUSY)
      if (vma === undefined) return args.error === errno.OK ? done : fail(args.error)
    }
  }

  abandon({ args }: Task<MsyncArgs>): void {
    if (args.child !== undefined) this.mm.scheduler.kill(args.child)
  }

  private next({ space, vpn, end }: MsyncArgs): Vma | undefined {
    const vma = vpn < end ? space.firstFrom(vpn) : undefined
    return vma !== undefined && vma.start < end ? vma : undefined
  }

  private begin(task: Task<MsyncArgs>, vma: Vma): void {
    const { args } = task
    const from = Math.max(args.vpn, vma.start)
    const to = Math.min(args.end, vma.end)
    args.vpn = to
    if (!isStoredThrough(vma) || !args.flags.includes('sync')) return
    const file = this.mm.cache.files.get(vma.open.file.id)
    if (file === undefined) {
      args.synced = vma.open.file.sync?.()
      return
    }
    const range = syncArgs(file, indexOf(vma, from), indexOf(vma, from) + to - from, vma.open)
    args.child = this.mm.scheduler.spawn(this.sync, range, { name: task.name, group: task.group })
    args.synced = args.child.end
  }
}

/** Shared, of a file that was opened for writing: Linux leaves VM_SHARED off every other. */
function isStoredThrough(vma: Vma): vma is Vma & { readonly open: OpenFile } {
  return vma.share === 'shared' && vma.open?.readOnly === false
}
