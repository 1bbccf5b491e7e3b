/**
 * The address ranges of mappings, from the mapping to the last thread that lets go of its array.
 *
 *     place --> mapped --unmap--> let go: registered, nothing installed --nobody is attached--> munmap
 *
 * A range that was unmapped stays registered while a thread may still hold its array: what that thread touches comes to
 * the pager, and is an error, never zeros and never another mapping's bytes.
 *
 * Invariants
 *   AR1 A range is munmapped only when no thread is attached to it; until then its faults are answered here.
 */
import { assert, type Bytes, type FileId, OrderedList, type PageIndex } from '../base/index.ts'
import type { File } from '../files/index.ts'
import { type Linux, LinuxError } from '../linux/index.ts'
import type { Mapping } from '../map/index.ts'
import { Control } from './control.ts'
import type { Area, Mirror } from './mirror.ts'
import type { MemoryFiles } from './store.ts'
import { leafFor } from './windows.ts'
import type { HeldRange } from './wire.ts'

export interface Placed {
  readonly mapping: Mapping
  readonly area: Area
  readonly control: Control
  readonly length: Bytes
  state: 'mapped' | 'let go'
}

/** The file that the mapping shows, and which page of it comes first. */
function sourceOf({ space, start }: Mapping): { readonly file: FileId; readonly index: PageIndex } {
  const vma = space.mm.find(start)
  assert(vma?.open !== undefined, 'a mapping of a file has a VMA with that file')
  return { file: vma.open.file.id, index: vma.pageOffset + start - vma.start }
}

export class Areas {
  private readonly linux: Linux
  private readonly store: MemoryFiles
  private readonly mirror: Mirror
  private readonly byMapping = new Map<Mapping, Placed>()
  private readonly byAddress = new OrderedList<Placed>(
    placed => placed.area.address,
    placed => placed.area.address + placed.length,
  )
  private readonly lettingGo = new Set<Placed>()

  constructor(linux: Linux, store: MemoryFiles, mirror: Mirror) {
    this.linux = linux
    this.store = store
    this.mirror = mirror
  }

  /** Gives a mapping its addresses. */
  place(mapping: Mapping, pageSize: Bytes): Placed {
    const { space, start, end } = mapping
    const pages = end - start
    const { file, index } = sourceOf(mapping)
    const leaf = leafFor(pages)
    const address = this.store.map(file, index, pages)
    const area: Area = {
      space: space.pid,
      start,
      end,
      file,
      index,
      address,
      leaf,
      change: 'let stores',
      changing: { from: 0, to: 0 },
      taking: { from: 0, to: 0 },
    }
    const control = Control.of(address, mapping.length)
    const placed: Placed = { mapping, area, control, length: pages * pageSize, state: 'mapped' }
    this.byMapping.set(mapping, placed)
    this.byAddress.insert(placed)
    this.mirror.add(area)
    return placed
  }

  /** Prepares the pages of a file for being mapped and read. Throws a LinuxError. */
  begin(file: File): void {
    this.store.begin(file.open.file.id)
  }

  of(mapping: Mapping): Placed {
    return this.byMapping.get(mapping)!
  }

  find(address: number): Placed | undefined {
    const placed = this.byAddress.floor(address)
    return placed !== undefined && address < placed.area.address + placed.length ? placed : undefined
  }

  /** The mapping has been unmapped in the engine: its threads are told to let go. */
  letGo(mapping: Mapping): void {
    const placed = this.byMapping.get(mapping)
    if (placed === undefined) return
    this.byMapping.delete(mapping)
    this.mirror.remove(placed.area)
    placed.state = 'let go'
    placed.control.unmap()
    this.lettingGo.add(placed)
    this.sweep()
  }

  /** A thread has been stopped for good: whatever it was attached to, it holds nothing any more. */
  expel(thread: number): void {
    for (const { control } of [...this.byMapping.values(), ...this.lettingGo]) control.expel(thread)
  }

  letAllGo(): void {
    for (const mapping of [...this.byMapping.keys()]) this.letGo(mapping)
  }

  /** Whether some range waits for threads to let go of it. */
  get waiting(): boolean {
    return this.lettingGo.size > 0
  }

  /** Takes away the ranges that nobody is attached to any more. */
  sweep(): void {
    for (const placed of this.lettingGo) {
      if (placed.control.inUse()) continue
      try {
        this.linux.munmap(placed.area.address, placed.length)
      } catch (error) {
        // It stays, and is tried again.
        if (error instanceof LinuxError) continue
        throw error
      }
      this.lettingGo.delete(placed)
      this.byAddress.remove(placed)
    }
  }

  /** What is not given back yet. */
  get held(): HeldRange[] {
    return [...this.lettingGo].map(({ mapping: { name }, area: { address }, length, control }) => ({
      name,
      address,
      length,
      control: control.buffer,
    }))
  }
}
