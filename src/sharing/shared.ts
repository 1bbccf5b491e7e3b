/**
 * Machines that share a volume's metadata, as plain data that can be walked through: two writers, a reader, and a network
 * between them and their server on which everything can be late or lost. Overlay, space and commits are a volume's own.
 *
 * Each writer moves one page to a new block, again and again: it counts in one record, and lets another name the block. What
 * it writes there is that count, so that everything that is wrong shows as a count in the wrong place. The second writer takes
 * over at any moment, and the first isn't told. What a fenced writer sends to blocks reaches none: they are fenced too.
 *
 * Invariants
 *   SH1 The same choices give the same machines.
 */
import { assert, errno, ROOT } from '../base/index.ts'
import { type Message, MetadataServer, Network, StillClock } from '../rig/index.ts'
import {
  done,
  fail,
  type Outcome,
  Scheduler,
  type Task,
  type Ticket,
  type Verb,
  wait,
} from '../sched/index.ts'
import {
  Absent,
  type Basis,
  type Change,
  Commits,
  decodeNumbers,
  encodeNumbers,
  MemoryStore,
  NetworkedStore,
  Overlay,
  type Role,
  roomFor,
  Space,
} from '../volume/index.ts'

const PAGE_KEY = 'n'
const NOTHING_ERASED = { underWay: undefined }
const ASKS: ReadonlySet<string> = new Set(['fetch', 'news'])
/** A checksum that costs nothing: no bit flips here. */
const NO_SUM = { name: 'none', of: () => 1 }

export interface SharedPlan {
  readonly name: string
  /** Blocks for data: one that the page lies in, and those that it may move to. */
  readonly blocks: number
  /** How often each writer moves the page; of one, nobody takes over from it. */
  readonly moves: readonly number[]
  /** How often anybody gives up waiting for an answer. */
  readonly giveUps: number
  /** How often the first writer asks who still reads. */
  readonly beats: number
  /** How often the reader asks what was committed, and how often its time may run out; undefined: nobody reads. */
  readonly reader: { readonly looks: number; readonly expiries: number } | undefined
}

/** What a commit was told, or isn't yet. */
export interface Told {
  readonly changes: readonly Change[]
  readonly ticket: Ticket
}

/** What a page is: how often it was moved, by whom, and where it lies. */
export interface Page {
  readonly count: number
  readonly by: readonly [number, number]
  readonly block: number
}

export class Shared {
  readonly server = new MetadataServer()
  readonly network = new Network(this.server)
  readonly scheduler = new Scheduler(new StillClock())
  readonly told: Told[] = []
  /** By block: the count of the page that was written there last. */
  readonly blocks: number[] = []
  readonly writers: Writer[] = []
  readonly reader: NetworkedStore | undefined
  readonly left: { giveUps: number; looks: number; beats: number; expiries: number }
  private readonly plan: SharedPlan
  private readonly mover: Moving

  constructor(plan: SharedPlan, plant?: (shared: Shared) => void) {
    this.plan = plan
    const { giveUps, beats, reader } = plan
    this.left = { giveUps, beats, looks: 0, expiries: 0, ...reader }
    this.mover = new Moving(this)
    this.format()
    plant?.(this)
    const role = { as: 'reader' as const, name: 'reader' }
    this.reader = reader === undefined ? undefined : new NetworkedStore(this.scheduler, this.network, role)
    if (this.reader !== undefined) this.made(this.reader)
    this.begin(0)
    this.settle()
  }

  /** What may happen next, in words. */
  choices(): string[] {
    const found: string[] = []
    const { left, reader, server } = this
    for (const [at, { isAwaited, call }] of this.network.messages.entries()) {
      found.push(`move ${at}`)
      if (isAwaited && left.giveUps > 0 && call.kind !== 'fetch') found.push(`give up ${at}`)
    }
    if (this.writers.length < this.plan.moves.length) found.push('take over')
    if (this.writers[0]!.isIn && left.beats > 0) found.push('beat')
    for (const [at, { isFull, store }] of this.writers.entries())
      if (isFull && store.horizon === store.at) found.push(`try again ${at}`)
    if (reader === undefined) return found
    if (reader.lease.lost) {
      if (server.pins.has(reader.name)) found.push('forget')
      return found
    }
    if (!reader.entered.complete) return found
    if (left.looks > 0) found.push('look')
    if (reader['news'] !== undefined) found.push('advance')
    if (left.expiries > 0) found.push('expire')
    return found
  }

  take(choice: string): void {
    const [, verb, at] = /^(\D+?)(?: (\d+))?$/.exec(choice)!
    const message = this.network.messages[Number(at)]
    switch (verb) {
      case 'move':
        this.network.move(message!)
        break
      case 'give up':
        this.left.giveUps--
        this.network.giveUp(message!)
        break
      case 'take over':
        this.begin(this.server.epoch)
        break
      case 'try again': {
        const writer = this.writers[Number(at)]!
        this.move(writer, writer.task!.args)
        break
      }
      case 'beat':
        this.left.beats--
        this.writers[0]!.store.renew()
        break
      case 'look':
        this.left.looks--
        this.reader!.renew()
        break
      case 'advance':
        this.reader!.advance()
        break
      case 'expire':
        this.left.expiries--
        this.reader!.expire()
        break
      case 'forget':
        this.server.forget(this.reader!.name)
        break
    }
    this.settle()
  }

  /** What a message is, in words. */
  said({ client, call, reply }: Message): string {
    return reply === undefined ? `${call.kind} of ${client.name}` : `${reply.kind} to ${client.name}`
  }

  /** What a commit has of the page. */
  pageAt(at: number): Page {
    return pageOf(this.server.stateAt(at).get(PAGE_KEY)!)
  }

  write({ store }: Writer, block: number, count: number): void {
    if (this.server.holder === store.name) this.blocks[block] = count
  }

  /** Everybody goes on as far as they can. What only asks changes nothing on its way: the server has it at once. */
  private settle(): void {
    this.scheduler.run(Infinity)
    this.readPage()
    for (const message of [...this.network.messages])
      if (message.reply === undefined && ASKS.has(message.call.kind)) this.network.move(message)
  }

  /** The reader looks at the page whenever it has come to another commit. */
  private readPage(): void {
    const { reader } = this
    if (reader === undefined || !reader.entered.complete || reader.lease.lost) return
    try {
      reader.get(PAGE_KEY)
    } catch (error) {
      if (!(error instanceof Absent)) throw error
    }
  }

  private begin(over: number): void {
    const place = this.writers.length
    const store = new WatchedStore(this, { as: 'writer', name: `writer ${place + 1}`, over })
    this.made(store)
    const writer = new Writer(this.scheduler, store, place, this.plan.blocks + 1)
    this.writers.push(writer)
    this.move(writer, { writer, left: this.plan.moves[place]!, commit: undefined })
  }

  private move(writer: Writer, args: MovingArgs): void {
    writer.task = this.scheduler.spawn(this.mover, args, { name: writer.store.name, group: ROOT })
  }

  /** A client is there, and has sent its first call: bugs are planted in it here. */
  made(_client: NetworkedStore): void {}

  /** The volume as it was made: the first commit. */
  private format(): void {
    const store = new MemoryStore(this.scheduler)
    const overlay = new Overlay(store, NO_SUM)
    const space = new Space(overlay, this.plan.blocks + 1, 0)
    const made = overlay.ask(() => {
      space.format()
      const blocks = space.allocate(1, 1)
      space.settle(blocks)
      overlay.put(PAGE_KEY, encodeNumbers(0, 0, 0, blocks.start))
      return blocks.start
    })
    assert(made.value !== undefined, 'SH1: the volume is made')
    this.blocks[made.value] = 0
    overlay.seal()
    this.server.log.push({ epoch: 0, changes: overlay.changes('', Infinity) })
  }
}

function pageOf(stored: Uint8Array): Page {
  const [count, one, other, block] = decodeNumbers(stored.subarray(0, 32), 4, PAGE_KEY)
  return { count: count!, by: [one!, other!], block: block! }
}

class WatchedStore extends NetworkedStore {
  private readonly shared: Shared

  constructor(shared: Shared, role: Role) {
    super(shared.scheduler, shared.network, role)
    this.shared = shared
  }

  override commit(changes: readonly Change[], basis: Basis): Ticket {
    const ticket = super.commit(changes, basis)
    this.shared.told.push({ changes, ticket })
    return ticket
  }
}

export class Writer {
  readonly store: NetworkedStore
  readonly place: number
  task: Task<MovingArgs> | undefined
  overlay: Overlay
  /** undefined: it isn't in yet. */
  space: Space | undefined
  commits: Commits | undefined
  private readonly scheduler: Scheduler
  private readonly blocks: number

  constructor(scheduler: Scheduler, store: NetworkedStore, place: number, blocks: number) {
    this.blocks = blocks
    this.scheduler = scheduler
    this.store = store
    this.place = place
    this.overlay = new Overlay(store, NO_SUM)
  }

  get isIn(): boolean {
    return this.store.entered.complete && this.store.entered.errno === errno.OK
  }

  /** It found no block that nobody sees. */
  get isFull(): boolean {
    return this.task?.state === 'ended' && this.task.errno === errno.ENOSPC
  }

  /** What a volume does when it is opened. */
  open(): Outcome {
    const { scheduler, store, overlay } = this
    const flushed = scheduler.ticket('flush')
    scheduler.complete(flushed)
    const space = new Space(overlay, this.blocks, store.at)
    const recovered = overlay.edit(() => space.giveBack(store, 'allocated too', 0, Infinity))
    if (recovered.kind !== 'done') return recovered
    this.space = space
    this.commits = new Commits(scheduler, { flush: () => flushed }, store, overlay, space, Infinity)
    return done
  }
}

export interface MovingArgs {
  readonly writer: Writer
  left: number
  commit: Ticket | undefined
}

class Moving implements Verb<MovingArgs> {
  readonly name = 'move the page'
  private readonly shared: Shared

  constructor(shared: Shared) {
    this.shared = shared
  }

  attempt({ args }: Task<MovingArgs>): Outcome {
    const { writer } = args
    const { entered } = writer.store
    if (!entered.complete) return wait(entered, 'metadata')
    if (entered.errno !== errno.OK) return fail(entered.errno)
    if (writer.space === undefined) {
      const opened = writer.open()
      if (opened.kind !== 'done') return opened
    }
    const { overlay, commits, space } = writer
    for (;;) {
      if (args.commit?.complete === false) return wait(args.commit, 'device')
      args.commit = undefined
      if (args.left === 0) return done
      if (commits!.broken !== errno.OK) return fail(commits!.broken)
      const room = roomFor({ overlay, commits: commits!, space: space!, erasing: NOTHING_ERASED }, 1)
      if (room.kind !== 'done') return room
      const moved = overlay.ask(() => this.move(writer))
      if (moved.value === undefined) return moved.outcome
      this.shared.write(writer, moved.value.block, moved.value.count)
      args.left--
      args.commit = commits!.request()
    }
  }

  private move({ overlay, space, place }: Writer): Page {
    const [count, one, other, old] = decodeNumbers(overlay.get(PAGE_KEY), 4, PAGE_KEY)
    const { start: block, end } = space!.allocate(1, 1)
    space!.settle({ start: block, end })
    space!.drop({ start: old!, end: old! + 1 })
    const by = [one! + (place === 0 ? 1 : 0), other! + (place === 1 ? 1 : 0)] as const
    overlay.put(PAGE_KEY, encodeNumbers(count! + 1, ...by, block))
    return { count: count! + 1, by, block }
  }
}
