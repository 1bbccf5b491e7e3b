/**
 * The whole engine under anything: spaces, files and swap on devices that end, or fail, what and when chance says, tasks
 * killed at any moment, little memory. What pages hold is the exerciser's to judge; here it is counted.
 *
 * Invariants checked: everything that check.ts recounts, after every attempt; that every task ends once the
 * devices do; that afterwards no pin is left, and closing everything gives every frame back.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errno, MS, Prng } from '../base/index.ts'
import type { HeldDevice } from '../device/index.ts'
import { DISCIPLINES, type Discipline, PROT_NONE, PROT_READ, type Space } from '../mm/index.ts'
import type { Task } from '../sched/index.ts'
import { PAGE, RW, World, type WorldFile } from './world.suite.ts'

const PAGES = 6
const FIRST = 32
const LAST = FIRST + 16

class Story {
  private readonly prng: Prng
  private readonly world: World
  private readonly files: WorldFile[]
  private readonly groups: number[]
  private spaces: Space[]
  private tasks: Task[] = []
  private readonly devices: HeldDevice[]

  constructor(seed: number, discipline: Discipline) {
    this.prng = new Prng(seed)
    this.world = new World({ discipline, frames: 4 + this.prng.below(12), swap: this.prng.pick([0, 24]) })
    this.files = [true, false].map((stablePages, at) =>
      this.world.file(`file ${at}`, { pages: PAGES, stablePages, spaceFor: this.prng.below(PAGES) }),
    )
    this.groups = [1, this.world.group({ max: 4 }), this.world.group({ high: 3, low: 2 })]
    this.spaces = [this.world.space('a'), this.world.space('b', this.groups[1])]
    for (const space of this.spaces) {
      this.world.map(space, undefined, { fixed: FIRST, pages: 4 })
      this.world.map(space, this.files[0], { fixed: FIRST + 4 })
      this.world.map(space, this.files[1], {
        fixed: FIRST + 10,
        share: this.prng.pick(['shared', 'private']),
      })
    }
    this.devices = [...this.files.map(file => file.device), ...(this.world.swap ? [this.world.swap] : [])]
  }

  tell(steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.event()
      this.tasks = this.tasks.filter(task => task.state !== 'ended')
    }
    this.end()
  }

  private event(): void {
    const { prng, world } = this
    const chance = prng.below(20)
    if (chance < 8) this.io()
    else if (chance === 8) this.kill()
    else if (chance === 9) world.later(prng.below(300) * MS)
    else this.tasks.push(this.begin())
  }

  private io(): void {
    const device = this.prng.pick(this.devices)
    if (device.held.length === 0) return
    const request = this.prng.pick(device.held)
    if (this.prng.below(6) === 0) device.fail(request, this.prng.pick([errno.EIO, errno.ENOSPC]))
    else device.release(request)
    if (this.prng.below(3) === 0) this.world.step()
    else this.world.settle()
  }

  private kill(): void {
    if (this.tasks.length === 0) return
    this.world.scheduler.kill(this.prng.pick(this.tasks))
    if (this.prng.below(2) === 0) this.world.settle()
  }

  private begin() {
    const { prng, world } = this
    const space = prng.pick(this.spaces)
    const file = prng.pick(this.files)
    const vpn = FIRST + prng.below(LAST - FIRST)
    const pages = 1 + prng.below(5)
    const position = prng.below(PAGES * PAGE)
    switch (prng.below(40)) {
      case 0:
        return prng.below(2) === 0 ? this.fork(space) : world.sync(file)
      case 1:
        return world.unmap(space, vpn, pages)
      case 2:
        return world.protect(space, vpn, pages, prng.pick([RW, PROT_READ, PROT_NONE]))
      case 3:
        return world.advise(space, vpn, pages, prng.pick(['willneed', 'dontneed', 'random', 'normal']))
      case 4:
        return world.lock(space, vpn, pages, prng.pick(['locked', 'unlocked']))
      case 5:
        return world.msync(space, vpn, pages)
      case 6:
        return world.proc(space, prng.pick(['maps', 'smaps', 'cmdline']))
      case 7:
        return prng.below(2) === 0 ? world.truncate(file, position) : world.truncate(file, PAGES * PAGE)
      case 8:
        return world.punch(file, position, 1 + prng.below(3 * PAGE))
      case 9:
        return world.sync(file)
      case 10:
        return world.read(file, position, 1 + prng.below(2 * PAGE))
      case 11:
        return world.write(file, position, new Uint8Array(1 + prng.below(2 * PAGE)).fill(prng.below(256)))
      case 12:
        return world.populate(space, vpn, Math.min(LAST, vpn + pages), prng.pick(['load', 'store']))
      case 13:
      case 14:
      case 15: {
        const from = prng.below(3) === 0 ? undefined : file
        const share = from === undefined ? 'private' : prng.pick(['shared', 'private'] as const)
        const advice = prng.pick(['normal', 'random', 'sequential'] as const)
        return world.mapping(space, from, { fixed: vpn, pages, share, advice, offset: prng.below(PAGES) })
      }
      default: {
        const access = prng.pick(['load', 'store'] as const)
        if (prng.below(3) === 0) return world.faulting(space, vpn, access, prng.pick(this.groups))
        return world.fault(space, vpn, access, prng.pick(this.groups))
      }
    }
  }

  private fork(space: Space) {
    if (this.spaces.length > 5) {
      const leaving = this.prng.pick(this.spaces.slice(2))
      this.spaces = this.spaces.filter(each => each !== leaving)
      return this.world.exit(leaving)
    }
    const task = this.world.fork(space, `space ${this.spaces.length}`)
    if (task.args.child !== undefined) this.spaces.push(task.args.child)
    return task
  }

  /** Everything ends, everything is closed, and nothing is left. */
  private end(): void {
    const { world } = this
    world.finish()
    const { memory } = world.engine
    assert.deepEqual(
      [...memory.frames.pins].filter(pins => pins !== 0),
      [],
    )
    for (const space of [...world.engine.mm.spaces.values()])
      assert.equal(world.says(world.exit(space)), 'done')
    for (const file of this.files) assert.equal(world.says(world.forget(file)), 'done')
    world.files.length = 0
    world.finish()
    const swapped = world.engine.mm.swapping
    assert.equal(
      memory.free + (swapped ? memory.frames.siblings.size(swapped.swap.file.clean) : 0),
      memory.total,
    )
  }
}

for (const discipline of DISCIPLINES)
  test(`nothing leaks and nothing hangs, whatever comes, under ${discipline.name}`, () => {
    const { FUZZ_RUNS = '8', FUZZ_SEED = '1' } = process.env
    const from = Number(FUZZ_SEED)
    for (let seed = from; seed < from + Number(FUZZ_RUNS); seed++)
      try {
        new Story(seed, discipline).tell(150)
      } catch (error) {
        throw new Error(`seed ${seed}: FUZZ_SEED=${seed} FUZZ_RUNS=1`, { cause: error })
      }
  })
