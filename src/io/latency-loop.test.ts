/**
 * io.latency in a closed loop: the scenes of the kernel's recordings (latency-replay.test.ts), in which what is decided changes
 * what is measured next. Two readers have a target beside thirty-two that have none, on a disk of 2,000 requests a second; on
 * a rotating one eight and twenty-four go on and off each 170 ms, and one more with the target reads now and then.
 *
 * The kernel's own decisions there, Linux 6.1:
 *     300 us, out of reach   128 64 32 16 8 4 2 1 by 3.6 s, and a use of delay each half second from then on: 42 after 25 s
 *     8 ms, in reach         128 64 32 16 8, and up and down from there; never a delay
 *     2 ms, then none        128 64 32 16 8 4 2 1 17, and the siblings are free as soon as the target has gone
 *     3 ms, rotating         32 16 8 12 6 10 5 9, and up and down between 1 and 9 from there, one decision after the other, no delay
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type GroupId, GroupTree, hang, MS, type Ns, ROOT, SECOND } from '../base/index.ts'
import { type Device, MemoryDevice, type Request, SlowDevice } from '../device/index.ts'
import { Scheduler, TimedDriver } from '../sched/index.ts'
import { EVERY_DISK, Io } from './io.ts'

const PAGE = 4096
const SERVICE = { latency: 0.5 * MS, nsPerByte: 0, slots: 1 }

/** Who reads, told by the files. */
const STEADY = 1
const NOW_AND_THEN = 2
/** How long the readers of a rotating disk are on, and then off. */
const TURN: Ns = 170 * MS
const STEP: Ns = 10 * MS

/** As the recorder's emulator keeps a disk to a rate: a tenth of a second's requests come at once, after that one by one. */
class Bucket extends SlowDevice {
  private level = 0
  private at: Ns = 0
  private readonly clock: Scheduler

  constructor(scheduler: Scheduler, inner: Device) {
    super(scheduler, inner, SERVICE)
    this.clock = scheduler
  }

  override start(request: Request): void {
    const now = this.clock.now()
    this.level = Math.max(0, this.level - (now - this.at) / SERVICE.latency) + 1
    this.at = now
    const isFull = this.level > SECOND / SERVICE.latency / 10
    this.service = isFull ? SERVICE : { ...SERVICE, latency: 0.06 * MS }
    super.start(request)
  }
}

class Loop {
  readonly driver = new TimedDriver()
  readonly scheduler = new Scheduler(this.driver)
  readonly tree = new GroupTree()
  readonly io = new Io(this.scheduler, { bytes: () => new Uint8Array(PAGE), follows: () => false }, this.tree)
  readonly prot = this.tree.create(ROOT)
  readonly hog = this.tree.create(ROOT)
  /** What was decided for the hog, in order, and when. */
  readonly decided: { readonly at: Ns; readonly depth: number; readonly users: number }[] = []
  private readonly ended = new Map<GroupId, number>()
  private readonly device: SlowDevice

  /** Readers that wait for their next turn, by their groups. */
  private readonly resting: GroupId[] = []

  constructor(kind: 'steady' | 'rotating' = 'steady') {
    const rotational = kind === 'rotating'
    const disk = new MemoryDevice(this.scheduler, { name: 'disk', length: PAGE })
    this.device = rotational
      ? new Bucket(this.scheduler, disk)
      : new SlowDevice(this.scheduler, disk, SERVICE)
    this.io.configure(this.device.disk, { nrRequests: rotational ? 64 : 256, rotational })
    hang(this.io, 'onEnd', ({ group, file }) => {
      this.ended.set(group, (this.ended.get(group) ?? 0) + 1)
      if (file === STEADY && (kind === 'steady' || this.isOn)) this.submit(group)
      else if (file === STEADY) this.resting.push(group)
      this.look()
    })
    for (let reader = 0; reader < (rotational ? 8 : 2); reader++) this.submit(this.prot)
    for (let reader = 0; reader < (rotational ? 24 : 32); reader++) this.submit(this.hog)
  }

  /** The scene of the rotating disk: readers by turns, and one more of the protected each 20 ms. */
  turns(time: Ns): void {
    for (const end = this.scheduler.now() + time; this.scheduler.now() < end; ) {
      if (this.isOn) for (const group of this.resting.splice(0)) this.submit(group)
      if ((this.scheduler.now() / STEP) % 2 === 0) this.submit(this.prot, NOW_AND_THEN)
      this.pass(STEP)
    }
  }

  private get isOn(): boolean {
    return Math.floor(this.scheduler.now() / TURN) % 2 === 0
  }

  pass(time: Ns): void {
    this.driver.runUntil(this.scheduler, this.scheduler.now() + time)
  }

  /** Reads that end in a time. */
  rate(group: GroupId, time: Ns): number {
    const before = this.ended.get(group) ?? 0
    this.pass(time)
    return (this.ended.get(group) ?? 0) - before
  }

  target(target: Ns): void {
    this.io.setLatency(EVERY_DISK, this.prot, target)
  }

  private look(): void {
    const { depth, users } = this.io.latency(this.device.disk, this.hog)
    const last = this.decided.at(-1)
    if (last?.depth !== depth || last.users !== users)
      this.decided.push({ at: this.scheduler.now(), depth, users })
  }

  private submit(group: GroupId, file = STEADY): void {
    const plan = { device: this.device, operation: 'read', position: 0, length: PAGE, frames: [1] } as const
    this.io.submit({ ...plan, group, purpose: 'fill', file, index: 0, what: 'read' })
  }
}

const depths = ({ decided }: Loop) => decided.map(({ depth }) => depth)

describe('io.latency in a closed loop', () => {
  it('goes down to one request, and on to delays, for a target that can’t be met', () => {
    const loop = new Loop()
    loop.pass(SECOND)
    loop.target(0.3 * MS)
    loop.pass(25 * SECOND)
    assert.deepEqual(depths(loop).slice(0, 9), [Infinity, 128, 64, 32, 16, 8, 4, 2, 1])
    const lowest = loop.decided[8]!.at - SECOND
    assert.ok(lowest > 3.5 * SECOND && lowest < 4.2 * SECOND, `depth 1 after ${lowest / SECOND} s`)
    const { users } = loop.decided.at(-1)!
    assert.ok(users >= 38 && users <= 44, `${users} uses of delay after 25 s`)
  })

  it('stays near the depth at which a target is met, without delays', () => {
    const loop = new Loop()
    loop.pass(SECOND)
    const before = loop.rate(loop.prot, SECOND)
    loop.target(8 * MS)
    loop.pass(20 * SECOND)
    assert.deepEqual(depths(loop).slice(0, 6), [Infinity, 128, 64, 32, 16, 8])
    assert.ok(
      loop.decided.every(({ users }) => users === 0),
      'never a delay',
    )
    assert.ok(loop.rate(loop.prot, 5 * SECOND) / 5 > 1.5 * before, 'it gets more than it did')
  })

  it('lets the siblings go as soon as the target has gone', () => {
    const loop = new Loop()
    loop.pass(SECOND)
    const before = loop.rate(loop.hog, SECOND)
    loop.target(2 * MS)
    loop.pass(12 * SECOND)
    assert.deepEqual(depths(loop).slice(0, 9), [Infinity, 128, 64, 32, 16, 8, 4, 2, 1])
    loop.target(0)
    loop.pass(0.1 * SECOND)
    const after = loop.rate(loop.hog, SECOND)
    assert.ok(Math.abs(after / before - 1) < 0.05, `${after} reads a second, ${before} before`)
  })

  it('goes up and down by the last window alone on a rotating disk', () => {
    const loop = new Loop('rotating')
    loop.turns(SECOND)
    loop.target(3 * MS)
    loop.turns(25 * SECOND)
    const all = depths(loop)
    assert.deepEqual(all.slice(0, 10), [Infinity, 32, 16, 8, 12, 6, 10, 5, 9, 4])
    const later = all.slice(9)
    assert.ok(later.length >= 30 && later.length <= 45, `${later.length} decisions in 20 s`)
    assert.ok(
      later.every(depth => depth >= 1 && depth <= 13),
      `${later}`,
    )
    const turns = later.filter(
      (depth, at) => at > 1 && depth > later[at - 1]! !== later[at - 1]! > later[at - 2]!,
    )
    assert.ok(turns.length > 0.7 * later.length, `${later}`)
    assert.ok(
      loop.decided.every(({ users }) => users === 0),
      'never a delay',
    )
  })
})
