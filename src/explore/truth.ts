/**
 * What every page should hold, by a model so simple that it can't be wrong: the last word stored. The properties compare
 * the machine with it.
 *
 * Invariants
 *   TR1 `files[file][page]` is what a reader of the file must see.
 *   TR2 `copies` has a word for each private page that was stored to, by space and page number.
 */
import type { FileId, SpaceId, Vpn } from '../base/index.ts'
import { indexOf, type Space } from '../mm/index.ts'

/** More pages than a small machine's spaces have. */
const VPN_MAX = 4096

/** A private page that was stored to. */
export interface CopyPlace {
  readonly space: SpaceId
  readonly vpn: Vpn
  readonly word: number
}

const NOWHERE: readonly CopyPlace[] = []

export class Truth {
  readonly files = new Map<FileId, number[]>()
  readonly copies = new Map<number, number>()

  word(file: FileId, page: number): number {
    return this.files.get(file)?.[page] ?? 0
  }

  write(file: FileId, page: number, word: number): void {
    const words = this.files.get(file)!
    while (words.length <= page) words.push(0)
    words[page] = word
  }

  /** A store through a mapping that allows it. */
  stored(space: Space, vpn: Vpn, word: number): void {
    const vma = space.find(vpn)
    if (vma === undefined) return
    if (vma.share === 'private') this.copies.set(copyKey(space, vpn), word)
    else if (vma.open !== undefined) this.write(vma.open.file.id, indexOf(vma, vpn), word)
  }

  /** The private pages of a child begin as its parent's. */
  forked(parent: Space, child: Space): void {
    for (const vma of parent.vmas)
      for (let vpn = vma.start; vpn < vma.end; vpn++) {
        const word = this.copies.get(copyKey(parent, vpn))
        if (word !== undefined) this.copies.set(copyKey(child, vpn), word)
      }
  }

  /** The copy at this page is gone, and with it what was stored. */
  forget(space: SpaceId, vpn: Vpn): void {
    this.copies.delete(space * VPN_MAX + vpn)
  }

  /** The copy at this page is at another now. */
  move(space: SpaceId, from: Vpn, to: Vpn): void {
    const word = this.copies.get(space * VPN_MAX + from)
    if (word === undefined) return
    this.forget(space, from)
    this.copies.set(space * VPN_MAX + to, word)
  }

  copyPlaces(): readonly CopyPlace[] {
    if (this.copies.size === 0) return NOWHERE
    return [...this.copies].map(([key, word]) => ({
      space: Math.floor(key / VPN_MAX),
      vpn: key % VPN_MAX,
      word,
    }))
  }
}

function copyKey(space: Space, vpn: Vpn): number {
  return space.id * VPN_MAX + vpn
}
