/**
 * What tests named after xfstests tell their stories with: files of a volume, written, mapped and shared, open with their pages in
 * the cache or as the device's own blocks.
 *
 *     generic(140, 'a store to a mapping of a clone …', story => {
 *       const a = story.create('/a', 3)                  page i is full of i + 1, and durable
 *       const b = story.clone(a, '/b')
 *       story.store(b, 0, 50, 10)                        ten bytes at 0 through a mapping: 'done', or why not
 *     })
 *
 * Each story is told once for each way of being open, and under each of the disciplines; afterwards the machine and the
 * volume are recounted.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type Bytes, SECOND, type Vpn } from '../../base/index.ts'
import { DISCIPLINES, type Discipline, RESTART, type Space } from '../../mm/index.ts'
import type { Task } from '../../sched/index.ts'
import type { PreallocationPlan } from '../preallocating.ts'
import type { RemapPlan } from '../remapping.ts'
import { type OpenedDax, type OpenedFile, ok, PAGE, VolumeWorld } from '../volume-world.suite.ts'

export type Way = 'cached' | 'dax'
export const WAYS: readonly Way[] = ['cached', 'dax']

export interface File {
  readonly path: string
  readonly opened: OpenedFile | OpenedDax
  /** Where the program's own space maps it. */
  readonly start: Vpn
}

/** Pages of a file that are mapped: more than any has. */
const MAPPED_PAGES = 24

interface Setting {
  /** The ways in which it makes sense. */
  readonly ways?: readonly Way[]
  /** Blocks of the volume, its first with them. */
  readonly blocks?: number
  readonly frames?: number
}

let listener: ((number: number) => void) | undefined

/** From now on numbers are only heard, and no story is told. */
export function listen(to: (number: number) => void): void {
  listener = to
}

/** A story that bears the number of a generic test of xfstests. */
export function generic(
  number: number,
  title: string,
  tell: (story: Story) => void,
  setting: Setting = {},
): void {
  if (listener !== undefined) {
    listener(number)
    return
  }
  const name = `generic/${String(number).padStart(3, '0')}`
  for (const way of setting.ways ?? WAYS)
    it(`${name}, ${way}: ${title}`, () => {
      for (const discipline of DISCIPLINES) {
        const story = new Story(way, discipline, setting)
        try {
          tell(story)
          story.finish()
        } catch (error) {
          if (error instanceof Error) error.message = `under ${discipline.name}: ${error.message}`
          throw error
        }
      }
    })
}

export class Story {
  readonly way: Way
  readonly at: VolumeWorld
  readonly space: Space
  /** Whether what it did leaves the volume read-only, or its device broken. */
  isBroken = false
  private readonly files: File[] = []

  constructor(way: Way, discipline: Discipline, { blocks = 64, frames = 64 }: Setting) {
    this.way = way
    const checked = discipline === RESTART
    this.at = new VolumeWorld({ blocks, frames, discipline, checked, dax: way === 'dax' })
    this.space = this.at.world.space('program')
  }

  // ---- files

  /** A file of so many pages, durable: page i is full of the byte `first + i`. */
  create(path: string, pages: number, first = 1): File {
    this.at.close(this.at.create(path, pages, first))
    return this.open(path)
  }

  open(path: string): File {
    const { at, way } = this
    const opened = way === 'dax' ? at.openDax(path) : at.open(path)
    const start = at.world.map(this.space, opened.open, { pages: MAPPED_PAGES })
    const file = { path, opened, start }
    this.files.push(file)
    return file
  }

  size({ opened }: File): Bytes {
    return opened.open.file.size
  }

  // ---- what a program does; each says how it went

  write({ opened }: File, position: Bytes, value: number, length: Bytes): string {
    const { at } = this
    const bytes = new Uint8Array(length).fill(value)
    return this.says(
      'dax' in opened ? at.daxWrite(opened, position, bytes) : at.world.write(opened, position, bytes),
    )
  }

  /** Stores through the mapping, page by page; says why not, where it is refused. */
  store(file: File, position: Bytes, value: number, length: Bytes, space = this.space): string {
    const { world } = this.at
    for (let at = position; at < position + length; ) {
      const vpn = file.start + Math.floor(at / PAGE)
      // A page may be reclaimed again before it is stored to, as on real hardware.
      while (world.rights(space, vpn) !== 'rw') {
        const fault = world.fault(space, vpn, 'store')
        if (world.says(fault) === 'waits: throttle') world.later(SECOND)
        if (world.says(fault) !== 'done') return world.says(fault)
      }
      const end = Math.min(position + length, (Math.floor(at / PAGE) + 1) * PAGE)
      for (; at < end; at++) world.store(space, vpn, value, at % PAGE)
    }
    return 'done'
  }

  /** The byte that a load through the mapping finds, or why it finds none. */
  load(file: File, position: Bytes, space = this.space): number | string {
    const { world } = this.at
    const vpn = file.start + Math.floor(position / PAGE)
    while (world.rights(space, vpn) === '') {
      const says = world.says(world.fault(space, vpn, 'load'))
      if (says !== 'done') return says
    }
    return world.value(space, vpn, position % PAGE)!
  }

  loads(file: File, positions: readonly Bytes[]): (number | string)[] {
    return positions.map(position => this.load(file, position))
  }

  truncate({ opened }: File, size: Bytes): string {
    const { at } = this
    return this.says(
      'dax' in opened
        ? at.change({ how: 'resize', file: opened.dax, size })
        : at.world.truncate(opened, size),
    )
  }

  punch({ opened }: File, position: Bytes, length: Bytes): string {
    const { at } = this
    return this.says(
      'dax' in opened
        ? at.change({ how: 'punch', file: opened.dax, position, length })
        : at.world.punch(opened, position, length),
    )
  }

  allocate({ opened }: File, position: Bytes, length: Bytes, how: Partial<PreallocationPlan> = {}): string {
    return this.says(this.at.allocate(opened, position, length, how))
  }

  /** A clone of the whole file under a new name. */
  clone(source: File, path: string): File {
    ok(this.at.volume.create(path, 'file'))
    const target = this.open(path)
    assert.equal(this.remap('clone', source, target), 'done')
    return target
  }

  remap(how: 'clone' | 'dedupe', source: File, target: File, range: Partial<RemapPlan> = {}): string {
    return this.says(this.at.remap(how, source.opened, target.opened, range))
  }

  shift(how: 'collapse' | 'insert', { opened }: File, position: Bytes, length: Bytes): string {
    return this.says(this.at.shift(how, opened, position, length))
  }

  unshare({ opened }: File, position: Bytes, length: Bytes): string {
    return this.says(this.at.unshare(opened, position, length))
  }

  sync({ opened }: File): string {
    if (!('dax' in opened)) return this.says(this.at.world.sync(opened))
    const ticket = this.at.volume.sync()
    this.at.world.settle()
    return this.at.says(ticket)
  }

  msync(file: File, position: Bytes, length: Bytes): string {
    const [first, end] = [Math.floor(position / PAGE), Math.ceil((position + length) / PAGE)]
    return this.says(this.at.world.msync(this.space, file.start + first, end - first))
  }

  // ---- what there is to see

  bytes({ opened }: File, position: Bytes, length: Bytes): number[] {
    const { at } = this
    return [...('dax' in opened ? at.daxBytes(opened, position, length) : at.read(opened, position, length))]
  }

  /** The first byte of each page, as read calls see it. */
  pages(file: File): number[] {
    const bytes = this.bytes(file, 0, this.size(file))
    return Array.from({ length: Math.ceil(bytes.length / PAGE) }, (_, page) => bytes[page * PAGE]!)
  }

  /** The same, as another machine finds them after a crash at this moment. */
  durable({ path }: File): number[] {
    return this.at.durable(path)
  }

  /** Blocks that a file has, and how many of them are shared. */
  blocks({ path }: File): { readonly blocks: number; readonly shared: number } {
    const { blocks, shared } = ok(this.at.volume.stat(path))
    return { blocks, shared }
  }

  get used(): number {
    return this.at.volume.usage.used
  }

  says(task: Task): string {
    return this.at.world.says(task)
  }

  /** A second program, which maps the file where the first does. */
  program(file: File): Space {
    const space = this.at.world.space('another')
    this.at.world.map(space, file.opened.open, { pages: MAPPED_PAGES, fixed: file.start })
    return space
  }

  /** Writes everything out, and forgets what the cache has: the next read is one of the device. */
  cycle(): void {
    for (const { opened, path } of this.files) {
      assert.equal(this.sync({ opened, path, start: 0 }), 'done')
      if (!('dax' in opened)) this.at.evict(opened)
    }
  }

  /** Everything is durable and adds up, and nothing is promised. */
  finish(): void {
    if (!this.isBroken) {
      for (const file of this.files)
        assert.equal(this.sync(file), 'done', `${file.path} is synced at the end`)
      assert.equal(this.at.volume.usage.reserved, 0)
    }
    this.at.recount()
    this.at.world.recount()
  }
}

export { PAGE }
