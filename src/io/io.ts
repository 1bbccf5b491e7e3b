/**
 * The I/O scheduler: takes bios from the rooms above, decides when each is issued, and reports its end.
 *
 *     submit -> [throttled: io.max] -> [queued: io.latency, nr_requests] -> device.start
 *     device.onEnd -> onEnd hook -> the bio's ticket completes -> the next are issued
 *
 * In both waiting places groups take turns (fair-queue.ts). A bio that a second group waits for stands in that group's
 * fifo too, and goes as soon as the limits of either let it; its bytes stay on its own group's account. The kernel does
 * so for metadata and swap (bio_issue_as_root_blkg), whoever waits; here it is done for who does.
 *
 * Invariants
 *   IO1  Each bio ends once: the hook runs, then its ticket completes with its errno.
 *   IO2  No more than nrRequests of a disk's bios are issued at once.
 *   IO3  Bios of one group on one disk are issued in the order they were submitted, reads among reads and writes among
 *        writes, except those that another group waits for.
 *   IO4  submit never calls the hook and never waits.
 *   IO5  A bio waits only while a limit of every group that it may go by refuses it, or its disk has all it takes.
 */
import {
  assert,
  type Bytes,
  type Errno,
  errno,
  type GroupId,
  type GroupTree,
  type Ns,
  NumberMap,
  type Pfn,
} from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'
import { Alarm, type Chore, type Scheduler } from '../sched/index.ts'
import type { Bio, BioPlan } from './bio.ts'
import { bytesIn } from './cost.ts'
import { Disk, type DiskOptions } from './disk.ts'
import { type Offer, TAKEN } from './fair-queue.ts'
import type { GuardReport } from './guard.ts'
import type { LatencyReport } from './latency.ts'
import type { IoStat } from './stat.ts'
import type { IoMax } from './throttle.ts'

/** A protected bio waits for a fourth of its target at most behind a part of a large one, by the model of cost. */
const SPLITS_A_TARGET = 4
/** Smaller parts cost more than they help. */
const BIO_BYTES_MIN: Bytes = 64 * 1024

/** Where the bytes of frames are. */
export interface FrameBytes {
  bytes(frame: Pfn): Uint8Array
  /** Whether the memory of `next` begins where that of `frame` ends. */
  follows(frame: Pfn, next: Pfn): boolean
}

/** A bio that a device has. The device ends the very request that it was given. */
export interface Issued extends Request {
  /** Counts what was issued. */
  readonly turn: number
  readonly bio: Bio
}

/** In place of a disk's name: all disks, those to come too. */
export const EVERY_DISK = '*'

export class Io implements Chore {
  readonly name = 'kblockd'
  /** News of an end, before its ticket completes. Set once, by the room that owns the pages. */
  readonly onEnd: (bio: Bio) => void = () => {}
  private readonly scheduler: Scheduler
  private readonly memory: FrameBytes
  private readonly tree: GroupTree
  private readonly disks = new Map<string, Disk>()
  // hot: those, for what each fault asks: an iterator would be garbage of it
  private readonly allDisks: Disk[] = []
  /** No disk: what groups have set for disks to come, each of which begins like it. */
  private readonly every: Disk
  private readonly attached = new Set<Device>()
  /** What devices are doing, by their turns. */
  readonly issued = new NumberMap<Issued>()
  private readonly alarm: Alarm
  private ids = 0
  private turns = 0

  constructor(scheduler: Scheduler, memory: FrameBytes, tree: GroupTree) {
    this.scheduler = scheduler
    this.memory = memory
    this.tree = tree
    this.every = new Disk(EVERY_DISK, tree)
    this.alarm = new Alarm(scheduler, this)
  }

  /** The disks that were configured, limited or used. */
  get diskNames(): readonly string[] {
    return [...this.disks.keys()]
  }

  /** What is known of a disk, before its first bio. */
  configure(name: string, { nrRequests, rotational }: DiskOptions): void {
    const disk = this.disk(name)
    disk.nrRequests = nrRequests
    disk.rotational = rotational
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
      state: 'throttled',
      sponsors: [],
      issuer: plan.group,
      submittedAt: now,
      queuedAt: 0,
      issuedAt: 0,
      errno: errno.OK,
    }
    const disk = this.disk(plan.device.disk)
    this.attach(plan.device)
    if (disk.throttle.limits(bio)) {
      disk.throttle.push(bio, bio.group, now)
      this.unthrottle(disk)
    } else this.enqueue(disk, bio)
    this.dispatch(disk)
    return bio
  }

  /** `group` waits for the bio: if it hasn't been issued, it may go as soon as a bio of that group could. */
  promote(bio: Bio, group: GroupId): void {
    if (bio.state !== 'throttled' && bio.state !== 'queued') return
    if (this.tree.isWithin(group, bio.group) || bio.sponsors.includes(group)) return
    const disk = this.disk(bio.device.disk)
    if (bio.state === 'throttled') {
      disk.throttle.push(bio, group, this.scheduler.now())
      bio.sponsors = [...bio.sponsors, group]
      this.unthrottle(disk)
    } else {
      disk.queue.push(bio, group)
      bio.sponsors = [...bio.sponsors, group]
    }
    this.dispatch(disk)
  }

  /** Changes the limits that are named, on one disk or on EVERY_DISK, those to come too. */
  setMax(disk: string, group: GroupId, max: Partial<IoMax>): void {
    for (const one of this.disksOf(disk)) {
      one.throttle.setLimit(group, { ...one.throttle.limit(group), ...max }, this.scheduler.now())
      this.unthrottle(one)
      this.dispatch(one)
    }
  }

  /** For EVERY_DISK: what a disk to come begins with. */
  max(disk: string, group: GroupId): IoMax {
    return this.known(disk).throttle.limit(group)
  }

  /** The latency that `group` is to have on one disk or on EVERY_DISK, those to come too; 0: none is promised. */
  setLatency(disk: string, group: GroupId, target: Ns): void {
    for (const one of this.disksOf(disk)) {
      one.latency.setTarget(group, target, this.scheduler.now())
      this.dispatch(one)
    }
  }

  /** For EVERY_DISK: what a disk to come begins with. */
  latencyTarget(disk: string, group: GroupId): Ns {
    return this.known(disk).latency.target(group)
  }

  /** The latency that `group` is to have whatever others do, on one disk or on EVERY_DISK, those to come too; 0: none. */
  setProtection(disk: string, group: GroupId, target: Ns): void {
    for (const one of this.disksOf(disk)) {
      one.guard.setTarget(group, target)
      this.dispatch(one)
    }
  }

  /** For EVERY_DISK: what a disk to come begins with. */
  protection(disk: string, group: GroupId): GuardReport {
    return this.known(disk).guard.report(group)
  }

  /** The weight of `group` among its siblings, on one disk or on EVERY_DISK, those to come too. */
  setWeight(disk: string, group: GroupId, weight: number): void {
    for (const one of this.disksOf(disk)) {
      one.weights.setWeight(group, weight)
      this.dispatch(one)
    }
  }

  weight(disk: string, group: GroupId): number {
    return this.known(disk).weights.weight(group)
  }

  /** The most that one bio of `group` should carry, so that no protected one waits long behind it; Infinity: no matter. */
  bytesMax(group: GroupId): Bytes {
    let least = Infinity
    for (const { guard } of this.disks.values())
      if (!guard.isProtected(group)) least = Math.min(least, guard.strictest)
    return least === Infinity ? Infinity : Math.max(BIO_BYTES_MIN, bytesIn(least / SPLITS_A_TARGET))
  }

  /** How io.latency stands for a group: the numbers that the kernel shows in io.stat when debugging. */
  latency(disk: string, group: GroupId): LatencyReport {
    return this.disk(disk).latency.report(group, this.scheduler.now())
  }

  /** Every bio that hasn't ended, first submitted first. */
  pending(): readonly Bio[] {
    const found = new Set(this.issued.values().map(({ bio }) => bio))
    for (const { throttle, queue } of this.disks.values())
      for (const bio of [...throttle.bios(), ...queue.bios()]) found.add(bio)
    return [...found].sort((left, right) => left.id - right.id)
  }

  /** What has gone through `disk` for `group` and those below it; undefined: nothing. */
  stat(disk: string, group: GroupId): Readonly<IoStat> | undefined {
    return this.disk(disk).stats.of(group)
  }

  /** What the devices of `disk` have spent for `group` and those below it, by name; undefined: nothing. */
  spent(disk: string, group: GroupId): ReadonlyMap<string, number> | undefined {
    return this.disk(disk).stats.spentOf(group)
  }

  /** What a task of `group` is to sleep on its way out, when it holds no lock. */
  delayOf(group: GroupId): Ns {
    let most: Ns = 0
    const { allDisks } = this
    for (let at = 0; at < allDisks.length; at++)
      most = Math.max(most, allDisks[at]!.latency.delayOf(group, this.scheduler.now()))
    return most
  }

  /** Whether `group` is held back as far as depth goes: readahead and other I/O that can be left out should be. */
  congested(group: GroupId): boolean {
    for (const disk of this.disks.values()) if (disk.latency.congested(group)) return true
    return false
  }

  /** Time has come for something that waits: the alarm calls it. */
  run(now: Ns): Ns {
    let next: Ns = Infinity
    for (const disk of this.disks.values()) {
      this.unthrottle(disk)
      disk.tick(now)
      this.dispatch(disk)
      next = Math.min(next, disk.next)
    }
    return next
  }

  private unthrottle(disk: Disk): void {
    disk.throttle.serve(this.scheduler.now(), bio => this.enqueue(disk, bio))
    this.alarm.by(disk.throttle.next)
  }

  private enqueue(disk: Disk, bio: Bio): void {
    bio.state = 'queued'
    bio.queuedAt = this.scheduler.now()
    disk.queued(bio)
    if (disk.queue.empty && disk.refusal(bio, bio.group, bio.queuedAt) === TAKEN) {
      this.issue(disk, bio, bio.group)
      this.alarm.by(disk.next)
      return
    }
    disk.queue.push(bio, bio.group)
    for (const sponsor of bio.sponsors) disk.queue.push(bio, sponsor)
  }

  private dispatch(disk: Disk): void {
    disk.beginRound()
    if (disk.queue.empty) return
    const offer: Offer = (bio, group) => {
      const refusal = disk.refusal(bio, group, this.scheduler.now())
      if (refusal === TAKEN) this.issue(disk, bio, group)
      return refusal
    }
    if (disk.weights.inUse) disk.queue.serveInOrder(group => disk.weights.timeOf(group), offer)
    else disk.queue.serve(offer)
    this.alarm.by(disk.next)
  }

  private issue(disk: Disk, bio: Bio, issuer: GroupId): void {
    bio.state = 'issued'
    bio.issuer = issuer
    bio.issuedAt = this.scheduler.now()
    disk.started(bio, bio.issuedAt)
    const { operation, position, length } = bio
    const turn = ++this.turns
    const request: Issued = { operation, position, length, buffers: this.buffers(bio), turn, bio }
    this.issued.set(turn, request)
    bio.device.start(request)
  }

  private ended(request: Request, error: Errno): void {
    const { turn, bio } = request as Issued
    assert(this.issued.delete(turn), 'D1: a device ends each request once')
    const disk = this.disk(bio.device.disk)
    disk.ended(bio, this.scheduler.now())
    bio.state = 'ended'
    bio.errno = error
    this.onEnd(bio)
    this.scheduler.complete(bio.ticket, bio.errno)
    this.dispatch(disk)
  }

  /** Frames that follow one another in memory go as one buffer. */
  private buffers({ frames, length }: Bio): Uint8Array[] {
    const buffers: Uint8Array[] = []
    let left = length
    for (let at = 0; left > 0 && at < frames.length; ) {
      let end = at + 1
      while (end < frames.length && this.memory.follows(frames[end - 1]!, frames[end]!)) end++
      const first = this.memory.bytes(frames[at]!)
      const size = Math.min(left, (end - at) * first.length)
      buffers.push(size === first.length ? first : new Uint8Array(first.buffer, first.byteOffset, size))
      left -= size
      at = end
    }
    assert(left === 0 || frames.length === 0, `a bio of ${length} bytes has frames for all of them`)
    return buffers
  }

  private disk(name: string): Disk {
    let disk = this.disks.get(name)
    if (disk === undefined) {
      disk = new Disk(name, this.tree)
      this.disks.set(name, disk)
      this.allDisks.push(disk)
      disk.like(this.every, this.scheduler.now())
    }
    return disk
  }

  private disksOf(name: string): Iterable<Disk> {
    return name === EVERY_DISK ? [this.every, ...this.disks.values()] : [this.disk(name)]
  }

  /** What holds for a disk by its name, which may be EVERY_DISK or that of one to come. */
  private known(name: string): Disk {
    return this.disks.get(name) ?? this.every
  }

  private attach(device: Device): void {
    if (this.attached.has(device)) return
    this.attached.add(device)
    device.onEnd = (request, error) => this.ended(request, error)
    if (device.onSpent === undefined) return
    device.onSpent = (request, spent) => this.disk(device.disk).stats.spend((request as Issued).bio, spent)
  }
}
