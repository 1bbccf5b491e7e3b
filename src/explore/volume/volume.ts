/**
 * The volume of a small machine: its files lie in blocks that they may share, in the cache or DAX. It is made and committed
 * before anything is explored.
 *
 * Owns       the volume, its device and its store; what the device holds of each file
 * Leaves to  machine.ts the files' names and mappings, to properties.ts what must be true
 */
import { assert, errno, ROOT } from '../../base/index.ts'
import type { Engine } from '../../engine/index.ts'
import type { Scenario } from '../../scenarios/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../../sched/index.ts'
import {
  type Checksum,
  type DaxFile,
  Making,
  MemoryStore,
  makeArgs,
  PLAIN,
  Region,
  UNWRITTEN,
  type Volume,
  type VolumeFile,
  WRITTEN,
} from '../../volume/index.ts'
import { FrameWords, OwnWords, VolumeDisk } from './disk.ts'
import type { Said } from './key.ts'

/** The first byte tells pages apart, and metadata is as it was written: nothing here flips bits. */
const WORD_SUMS: Checksum = { name: 'word', of: bytes => 1 + (bytes.length < 4096 ? 0 : bytes[0]!) }

/** Steps in which the volume is made, or commits, before the story begins. */
const STEPS_MAX = 500

export class LabVolume {
  readonly volume: Volume
  readonly disk: VolumeDisk
  readonly store: MemoryStore
  readonly committing: Committing
  /** What the metadata said when it was last looked at (key.ts). */
  said: Said | undefined
  /** Files by the scenario's names. */
  readonly opened = new Map<string, VolumeFile | DaxFile>()
  /** Of the device. */
  readonly blocks: number
  private readonly engine: Engine
  private readonly open: 'cached' | 'dax'
  private readonly pageSize: number

  constructor(engine: Engine, { volume, files }: Scenario, pageSize: number) {
    assert(volume !== undefined, 'the scenario has a volume')
    const { blocks, open } = volume
    const { scheduler, memory, cache, io, verbs } = engine
    this.engine = engine
    this.blocks = blocks
    this.open = open
    this.pageSize = pageSize
    const region = open === 'dax' ? new Region(scheduler, memory, 'pmem', blocks) : undefined
    const words = region === undefined ? new OwnWords(blocks) : new FrameWords(memory.frames, region.first)
    const disk = new VolumeDisk(pageSize, words)
    const store = new MemoryStore(scheduler)
    this.disk = disk
    this.store = store
    const parts = { cache, io, calls: verbs, device: disk, store, checksum: WORD_SUMS }
    const args = makeArgs({ ...parts, ...(region && { region }), size: blocks * pageSize, id: 1 })
    const making = scheduler.spawn(new Making(), args, { name: 'make', group: ROOT })
    this.drive(() => making.state === 'ended')
    assert(args.volume !== undefined, 'the volume is made')
    this.volume = args.volume
    this.committing = new Committing(this.volume)
    for (const [at, [name, { pages }]] of Object.entries(files).entries()) this.fill(name, pages, 1 + 16 * at)
    this.commit()
    for (const name of Object.keys(files)) this.opened.set(name, this.openFile(name))
  }

  /** What a file holds on the device as page `page`. */
  word(file: VolumeFile | DaxFile, page: number): number {
    const block = this.blockOf(file, page)
    return block === undefined ? 0 : this.disk.words.get(block)
  }

  /** The block that holds a page; undefined: it reads as zero. */
  blockOf({ node }: VolumeFile | DaxFile, page: number): number | undefined {
    const [part] = node.extents.inside(page, page + 1)
    return part === undefined || part.tag === UNWRITTEN ? undefined : part.value
  }

  /** Makes durable what has changed, before the story begins. */
  commit(): void {
    const ticket = this.volume.sync()
    this.drive(() => ticket.complete)
  }

  private drive(over: () => boolean): void {
    const { scheduler } = this.engine
    for (let steps = 0; !over(); steps++) {
      assert(steps < STEPS_MAX, 'a volume is made, and commits, in a few steps')
      const [task] = scheduler.ready()
      const [request] = this.disk.inFlight
      if (task !== undefined) scheduler.step(task)
      else if (request !== undefined) this.disk.end(request, errno.OK)
      else scheduler.fireTimers()
    }
  }

  private openFile(name: string): VolumeFile | DaxFile {
    const { volume } = this
    const { value } =
      this.open === 'dax' ? volume.openDax(`/${name}`, { durable: false }) : volume.open(`/${name}`)
    assert(value !== undefined, `${name} was made`)
    value.openings++
    return value
  }

  /** A file whose pages hold `first`, `first` + 1, and so on. */
  private fill(name: string, pages: number, first: number): void {
    const { volume, disk, pageSize } = this
    const { space, names, overlay } = volume.parts
    const { value: ino } = volume.create(`/${name}`, 'file')
    assert(ino !== undefined, `${name} is made`)
    if (pages === 0) return
    const filled = overlay.edit(() => {
      const blocks = space.allocate(pages, pages)
      space.settle(blocks)
      const extents = volume.extents(ino)
      extents.place(0, blocks, this.open === 'dax' ? PLAIN : WRITTEN)
      const words = Array.from({ length: pages }, (_, page) => first + page)
      extents.setSums(
        blocks.start,
        words.map(word => 1 + word),
      )
      words.forEach((word, page) => {
        disk.words.set(blocks.start + page, word)
      })
      names.setInode(ino, { ...names.inode(ino), size: pages * pageSize })
    })
    assert(filled.kind === 'done', `${name} is filled`)
  }
}

/** A commit as a task. */
class Committing implements Verb<{ ticket: Ticket | undefined }> {
  readonly name = 'commit the volume'
  private readonly volume: Volume

  constructor(volume: Volume) {
    this.volume = volume
  }

  attempt({ args }: Task<{ ticket: Ticket | undefined }>): Outcome {
    args.ticket ??= this.volume.sync()
    if (!args.ticket.complete) return wait(args.ticket, 'device')
    return args.ticket.errno === errno.OK ? done : fail(args.ticket.errno)
  }
}
