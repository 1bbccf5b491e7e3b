/**
 * Pages that the kernel has of files, and that nobody here has seen: stores through shared mappings, and with `--writeback` what
 * write(2) has left there. They are dirty at most in files that are open for writing: a mapping keeps its file open, and the kernel
 * writes what is dirty before the last who writes lets go (fs/fuse/file.c, fuse_vma_close and fuse_release).
 *
 * Invariants
 *   MKP1 While a file may have such pages, no count of its blocks that the kernel is told, or keeps, says that there is less than
 *        they could be: who skips holes by it skips none of them.
 *   MKP2 Of a file that nobody writes any more the kernel keeps no count that was guessed.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import { type Aside, type HandedOver, invalidateInode, PageWriters } from '../fuse/index.ts'
import type { Volume as Core, Found } from '../volume/index.ts'

const O_ACCMODE = 3
const O_RDWR = 2
const O_RDONLY = 0
const SECTOR: Bytes = 512
/** No pages: the attributes alone (fuse_reverse_inval_inode). */
const ATTRIBUTES_ALONE = -1

export interface KernelPagesSetting {
  readonly core: Core
  readonly aside: Aside
  readonly fd: number
  readonly target: string
  readonly writes: 'through' | 'back'
}

interface Writing {
  writers: number
  /** The kernel was told a number of blocks that was guessed. */
  isGuessed: boolean
}

export class KernelPages {
  private readonly setting: KernelPagesSetting
  private readonly writers: PageWriters
  private readonly writing = new Map<number, Writing>()
  /** The last notification: the aside makes one call after the other. */
  private telling: Promise<unknown> = Promise.resolve()

  constructor(setting: KernelPagesSetting) {
    this.setting = setting
    this.writers = new PageWriters({ device: setting.fd, target: setting.target })
  }

  /** Whether who opens a file so can leave pages in the kernel. */
  canDirty(flags: number): boolean {
    const access = flags & O_ACCMODE
    return this.setting.writes === 'back' ? access !== O_RDONLY : access === O_RDWR
  }

  mayBeDirty(ino: number): boolean {
    return this.writing.has(ino)
  }

  /** Files that may have such pages. */
  get files(): number[] {
    return [...this.writing.keys()]
  }

  /** Somebody writes the file from now on. */
  opened(ino: number): void {
    const writing = this.writing.get(ino)
    if (writing === undefined) this.writing.set(ino, { writers: 1, isGuessed: false })
    else writing.writers++
  }

  released(ino: number): void {
    const writing = this.writing.get(ino)!
    if (--writing.writers > 0) return
    this.writing.delete(ino)
    if (writing.isGuessed) void this.forgetAttributes(ino)
  }

  /** What the kernel keeps of a file's blocks is right for one that is being written (MKP1). undefined: it is already. */
  announced(ino: number): Promise<unknown> | undefined {
    const found = this.setting.core.inodes.getattr(ino).value
    if (found === undefined || this.guessed(found) <= this.real(found)) return undefined
    return this.forgetAttributes(ino)
  }

  /** The blocks of an inode in sectors, as the kernel is told. */
  sectors(found: Found): number {
    const real = this.real(found)
    const writing = this.writing.get(found.ino)
    if (writing === undefined) return real
    const guessed = this.guessed(found)
    if (guessed <= real) return real
    writing.isGuessed = true
    return guessed
  }

  /** The kernel writes what it has dirty of files at this moment. It settles when that has been taken. */
  async write(inos: readonly number[]): Promise<HandedOver> {
    const files = inos.flatMap(ino => {
      const { value } = this.writing.has(ino) ? this.setting.core.inodes.written(ino) : { value: undefined }
      return value === undefined ? [] : [{ ino, generation: value.generation }]
    })
    return files.length === 0 ? NOTHING : this.writers.write(files)
  }

  /** The mount is gone. Afterwards nobody uses the session's descriptor. */
  async end(): Promise<void> {
    this.writing.clear()
    await Promise.all([this.telling, this.writers.end()])
  }

  private real({ blocks }: Found): number {
    return (blocks * this.blockSize) / SECTOR
  }

  /** As many as there may be. Where the kernel decides how long a file is there may be a block behind what is known. */
  private guessed({ size }: Found): number {
    const least = this.setting.writes === 'back' ? this.blockSize / SECTOR : 0
    return Math.max(Math.ceil(size / SECTOR), least)
  }

  private get blockSize(): Bytes {
    return this.setting.core.parts.disk.blockSize
  }

  private forgetAttributes(ino: number): Promise<unknown> {
    const message = invalidateInode(ino, ATTRIBUTES_ALONE, 0)
    this.telling = this.setting.aside.call({ what: 'notify', fd: this.setting.fd, message })
    return this.telling
  }
}

const NOTHING: HandedOver = { unreachable: errno.OK, failed: errno.OK as Errno }
