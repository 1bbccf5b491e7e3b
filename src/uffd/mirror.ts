/**
 * The mirror: keeps what the hardware maps of each area within what the page tables allow. The table is the truth; a
 * change of an entry arrives here after it was made, and is done to the hardware soon, in runs.
 *
 *     area.leaf[page]          what the hardware is to let programs do: LOAD, STORE; beside it the page's place in its
 *                              window (windows.ts), so that sections look pages up in it
 *
 *     nothing -> loads, stores     UFFDIO_CONTINUE            loads -> stores, stores -> loads    UFFDIO_WRITEPROTECT
 *     loads, stores -> nothing     MADV_DONTNEED: the next touch is a fault again. So are old entries treated: it is how
 *                                  a reference is noticed, and the page itself stays in its memory file.
 *
 * What is taken away must have been taken before the engine relies on it: `flush` is called before calls of the
 * host start, before the answer to a call leaves the pager, and in each turn; a page that comes again is taken first.
 *
 * The host may take pages out of the hardware on its own, so a fault of a page that `leaf` allows is no contradiction.
 *
 * Invariants
 *   MI1 After flush the hardware lets through no access that the entry doesn't allow.
 *   MI2 A page is installed only for an entry whose frame is the page of the area's own file at that place: another
 *       mapping may have been put where this one was.
 *   MI3 leaf says LOAD or STORE only if the entry does.
 */
import {
  assert,
  type Bytes,
  type FileId,
  OrderedList,
  type PageIndex,
  type SpaceId,
  type Vpn,
} from '../base/index.ts'
import { type Address, type Linux, LinuxError, MADV_DONTNEED, type Userfaultfd } from '../linux/index.ts'
import type { Frames } from '../memory/index.ts'
import { type Entry, frameOf, LOAD, PRESENT, STORE, type TableMirror } from '../mmu/index.ts'
import { abortProcess } from './poison.ts'
import { firmly } from './refused.ts'
import type { MemoryFiles } from './store.ts'
import { windowEntry } from './windows.ts'

/** What the hardware is to do to a run of pages, beside taking them away. */
type Change = 'install for loads' | 'install for stores' | 'let stores' | 'stop stores'

/** Pages [from, to) of an area. */
interface Run {
  from: number
  to: number
}

/** A mapping of a program, as the host has it. */
export interface Area {
  readonly space: SpaceId
  readonly start: Vpn
  readonly end: Vpn
  readonly file: FileId
  /** The page of the file at `start`. */
  readonly index: PageIndex
  readonly address: Address
  readonly leaf: Int32Array
  /** What is done next, to which pages. */
  change: Change
  readonly changing: Run
  /** What is taken away next; no page of `changing`. */
  readonly taking: Run
}

const EEXIST = 17
const EAGAIN = 11
/** A host that is short of memory for its own page tables is asked so often. */
const REFUSALS_MAX = 5

export class Mirror {
  /** Where frames are known to belong. Set once, when the engine is made. */
  frames: Frames | undefined
  private readonly linux: Linux
  private readonly uffd: Userfaultfd
  private readonly store: MemoryFiles
  private readonly pageSize: Bytes
  private readonly areas = new Map<SpaceId, OrderedList<Area>>()
  private readonly changed = new Set<Area>()

  constructor(linux: Linux, uffd: Userfaultfd, store: MemoryFiles, pageSize: Bytes) {
    this.linux = linux
    this.uffd = uffd
    this.store = store
    this.pageSize = pageSize
  }

  of(space: SpaceId): TableMirror {
    return {
      changed: (vpn, entry) => {
        const areas = this.areas.get(space)
        if (areas !== undefined)
          for (const area of areas.overlapping(vpn, vpn + 1)) this.refresh(area, vpn, entry)
      },
    }
  }

  add(area: Area): void {
    let areas = this.areas.get(area.space)
    if (areas === undefined) {
      areas = new OrderedList(
        each => each.start,
        each => each.end,
      )
      this.areas.set(area.space, areas)
    }
    areas.insert(area)
  }

  remove(area: Area): void {
    this.settle(area)
    const areas = this.areas.get(area.space)
    assert(areas?.remove(area) === true, 'an area is removed once')
    if (areas.size === 0) this.areas.delete(area.space)
  }

  /** Lets the hardware follow an entry. */
  refresh(area: Area, vpn: Vpn, entry: Entry): void {
    const page = vpn - area.start
    const now = this.isOf(area, page, entry) ? entry & (LOAD | STORE) : 0
    const was = area.leaf[page]! & (LOAD | STORE)
    if (now === was) return
    area.leaf[page] = now === 0 ? 0 : windowEntry(page, this.pageSize, now)
    this.changed.add(area)
    if (now === 0) this.take(area, page)
    else if (was === 0)
      this.note(area, page, (now & STORE) !== 0 ? 'install for stores' : 'install for loads')
    else this.note(area, page, (now & STORE) !== 0 ? 'let stores' : 'stop stores')
  }

  /** Whether the hardware lets the access through, once flushed. */
  allows(area: Area, page: number, access: 'load' | 'store'): boolean {
    return (area.leaf[page]! & (access === 'store' ? STORE : LOAD)) !== 0
  }

  /**
   * Installs a page that the hardware should have and has lost: a host that is short of memory, or moves it about, takes
   * pages out as it likes.
   */
  restore(area: Area, page: number): void {
    const stores = this.allows(area, page, 'store')
    this.install(area.address + page * this.pageSize, this.pageSize, stores ? 'stores' : 'loads')
  }

  /** Whether the entry maps the area's own page (MI2). */
  isOf(area: Area, page: number, entry: Entry): boolean {
    if ((entry & PRESENT) === 0) return false
    const { owner, index } = this.frames!
    const frame = frameOf(entry)
    return owner[frame] === area.file && index[frame] === area.index + page
  }

  /** Does to the hardware what has been noted. */
  flush(): void {
    for (const area of this.changed) this.settle(area)
  }

  /** Does what has been noted of an area, but for what is to be taken away: a thread waits, and that can wait. */
  show(area: Area): void {
    const start = area.address + area.changing.from * this.pageSize
    const length = this.end(area.changing)
    if (length > 0) this.apply(area.change, start, length)
  }

  private note(area: Area, page: number, change: Change): void {
    if (contains(area.taking, page)) this.takeAway(area)
    if (area.change === change && extend(area.changing, page)) return
    this.show(area)
    area.change = change
    begin(area.changing, page)
  }

  private take(area: Area, page: number): void {
    if (contains(area.changing, page)) this.show(area)
    if (extend(area.taking, page)) return
    this.takeAway(area)
    begin(area.taking, page)
  }

  private settle(area: Area): void {
    this.changed.delete(area)
    this.show(area)
    this.takeAway(area)
  }

  private takeAway(area: Area): void {
    const start = area.address + area.taking.from * this.pageSize
    const length = this.end(area.taking)
    if (length === 0) return
    // Most of what is taken has left its file, and giving its memory back takes it out of the hardware.
    this.store.flush()
    firmly(this.linux, () => this.linux.madvise(start, length, MADV_DONTNEED))
  }

  /** A run is done with. Returns how long it was. */
  private end(run: Run): Bytes {
    const length = (run.to - run.from) * this.pageSize
    run.from = 0
    run.to = 0
    return length
  }

  private apply(change: Change, start: Address, length: Bytes): void {
    switch (change) {
      case 'install for loads':
        this.install(start, length, 'loads')
        break
      case 'install for stores':
        this.install(start, length, 'stores')
        break
      case 'let stores':
        this.protect(start, length, 'stores')
        break
      case 'stop stores':
        this.protect(start, length, 'loads')
        break
    }
  }

  private install(start: Address, length: Bytes, allowed: 'loads' | 'stores'): void {
    let refusals = 0
    for (let done = 0; done < length; ) {
      const result = this.uffd.install(start + done, length - done, allowed)
      done += result.done
      if (result.error === EEXIST) {
        this.protect(start + done, this.linux.pageSize, allowed)
        done += this.linux.pageSize
      } else if (result.error !== 0 && result.error !== EAGAIN) {
        const error = new LinuxError('UFFDIO_CONTINUE', result.error)
        if (++refusals === REFUSALS_MAX)
          abortProcess(this.linux, `the hardware MMU can't go on: ${error.message}`)
      }
    }
  }

  private protect(start: Address, length: Bytes, allowed: 'loads' | 'stores'): void {
    firmly(this.linux, () => this.uffd.protect(start, length, allowed))
  }
}

function contains({ from, to }: Run, page: number): boolean {
  return from <= page && page < to
}

/** Whether the page follows the run, or comes before it: it is of it now. */
function extend(run: Run, page: number): boolean {
  if (run.to === run.from) return false
  if (page === run.to) run.to++
  else if (page === run.from - 1) run.from--
  else return false
  return true
}

function begin(run: Run, page: number): void {
  run.from = page
  run.to = page + 1
}
