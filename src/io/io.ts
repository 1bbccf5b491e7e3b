/**
 * The I/O scheduler: takes bios from the rooms above, decides when each is issued, and reports its end.
 *
 *     submit -> [queued: turn by turn between groups] -> nr_requests -> device.start
 *     device.onEnd -> onEnd hook -> the bio's ticket completes -> the next are issued
 *
 * Invariants
 *   IO1  Each bio ends once: the hook runs, then its ticket completes with its errno.
 *   IO2  No more than nrRequests of a disk's bios are issued at once.
 *   IO3  Bios of one group on one disk are issued in the order they were submitted, reads among reads and writes among
 *        writes, except those that another group waits for.
 *   IO4  submit never calls the hook and never waits.
 */
import { assert, type Errno, errno, type GroupId, type GroupTree, type Pfn } from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'
import type { Scheduler } from '../sched/index.ts'
import type { Bio, BioPlan } from './bio.ts'
import { FairQueue, FULL, TAKEN } from './fair-queue.ts'

/** Where the bytes of frames are. */
export interface FrameBytes {
  bytes(frame: Pfn): Uint8Array
}

/** BLKDEV_DEFAULT_RQ is 128; NVMe and virtio set 256 and more (queue/nr_requests). */
const NR_REQUESTS = 256

export interface DiskOptions {
  /** How many requests it is given at once. */
  readonly nrRequests: number
  /** Whether its latency is judged by the mean, as a rotating disk's, or by how many requests miss the target. */
  readonly rotational: boolean
}

class Disk {
  readonly name: string
  readonly queue: FairQueue
  nrRequests = NR_REQUESTS
  issued = 0

  constructor(name: string, tree: GroupTree) {
    this.name = name
    this.queue = new FairQueue(tree, 'queued')
  }
}

export class Io {
  /** News of an end, before its ticket completes. Set once, by the room that owns the pages. */
  onEnd: (bio: Bio) => void = () => {}
  private readonly scheduler: Scheduler
  private readonly memory: FrameBytes
  private readonly tree: GroupTree
  private readonly disks = new Map<string, Disk>()
  private readonly attached = new Set<Device>()
  private readonly issued = new Map<Request, Bio>()
  private ids = 0

  constructor(scheduler: Scheduler, memory: FrameBytes, tree: GroupTree) {
    this.scheduler = scheduler
    this.memory = memory
    this.tree = tree
  }

  /** What is known of a disk; before its first bio. */
  configure(disk: string, { nrRequests }: DiskOptions): void {
    this.disk(disk).nrRequests = nrRequests
  }

  submit(plan: BioPlan): Bio {
    const now = this.scheduler.now()
    const bio: Bio = {
      device: plan.device,
      operation: plan.operation,
      position: plan.position,
      length: plan.length,
      frames: plan.frames,
      group: plan.group,
      purpose: plan.purpose,
      file: plan.file,
      index: plan.index,
      what: plan.what,
      id: ++this.ids,
      ticket: this.scheduler.ticket(plan.what),
      state: 'queued',
      sponsors: [],
      issuer: plan.group,
      submittedAt: now,
      queuedAt: now,
      issuedAt: 0,
      errno: errno.OK,
    }
    const disk = this.disk(plan.device.disk)
    this.attach(plan.device)
    disk.queue.push(bio, bio.group)
    this.dispatch(disk)
    return bio
  }

  /** `group` waits for the bio: if it still queues, it may go as soon as that group's own could. */
  promote(bio: Bio, group: GroupId): void {
    if (bio.state !== 'queued' || this.tree.isWithin(group, bio.group) || bio.sponsors.includes(group)) return
    bio.sponsors = [...bio.sponsors, group]
    const disk = this.disk(bio.device.disk)
    disk.queue.push(bio, group)
    this.dispatch(disk)
  }

  private dispatch(disk: Disk): void {
    disk.queue.serve((bio, group) => {
      if (disk.issued >= disk.nrRequests) return FULL
      this.issue(disk, bio, group)
      return TAKEN
    })
  }

  private issue(disk: Disk, bio: Bio, issuer: GroupId): void {
    bio.state = 'issued'
    bio.issuer = issuer
    bio.issuedAt = this.scheduler.now()
    disk.issued++
    const { operation, position, length } = bio
    const request: Request = { operation, position, length, buffers: this.buffers(bio) }
    this.issued.set(request, bio)
    bio.device.start(request)
  }

  private ended(request: Request, error: Errno): void {
    const bio = this.issued.get(request)
    assert(bio !== undefined, 'D1: a device ends each request once')
    this.issued.delete(request)
    const disk = this.disk(bio.device.disk)
    disk.issued--
    bio.state = 'ended'
    bio.errno = error
    this.onEnd(bio)
    this.scheduler.complete(bio.ticket, error)
    this.dispatch(disk)
  }

  /** Frames that follow one another in memory go as one buffer. */
  private buffers({ frames, length }: Bio): Uint8Array[] {
    const buffers: Uint8Array[] = []
    let left = length
    for (const frame of frames) {
      const whole = this.memory.bytes(frame)
      const bytes = whole.length > left ? whole.subarray(0, left) : whole
      left -= bytes.length
      const last = buffers.at(-1)
      if (
        last !== undefined &&
        last.buffer === bytes.buffer &&
        last.byteOffset + last.length === bytes.byteOffset
      )
        buffers[buffers.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + bytes.length)
      else buffers.push(bytes)
    }
    assert(left === 0 || frames.length === 0, `a bio of ${length} bytes has frames for all of them`)
    return buffers
  }

  private disk(name: string): Disk {
    let disk = this.disks.get(name)
    if (disk === undefined) {
      disk = new Disk(name, this.tree)
      this.disks.set(name, disk)
    }
    return disk
  }

  private attach(device: Device): void {
    if (this.attached.has(device)) return
    this.attached.add(device)
    device.onEnd = (request, error) => this.ended(request, error)
  }
}
