/**
 * Making a volume, and opening one: what its first block and its header must say before anything else is believed.
 *
 *     make:   first block -> commit of header, state and root
 *     open:   first block of the device -> header of the store, or that block's -> what the last life left is given back
 *
 * Invariants
 *   MN1 A volume that isn't wholly made can't be opened: its header is in the one commit that makes it.
 *   MN2 Damage that opening meets leaves a volume that is open to be read, if one of its two headers can be believed.
 *   MN3 A device that couldn't be asked isn't taken for damaged: the store's header is believed without its first block.
 */
import { type Bytes, type Errno, errno, hang } from '../base/index.ts'
import type { CopyArgs, PageCache } from '../cache/index.ts'
import type { Device } from '../device/index.ts'
import type { Io } from '../io/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import { type Checksum, MIX53 } from './checksum.ts'
import { Disk } from './disk.ts'
import { Damage } from './failure.ts'
import { checkBlock, checkHeaderBlock, headerBlock } from './header.ts'
import { EPOCH, type InodePlan, planned, type Time } from './inode.ts'
import { Overlay } from './overlay.ts'
import { decodeHeader, encodeHeader, FORMAT, HEADER_KEY, type Header } from './records.ts'
import type { Region } from './region.ts'
import type { Reuse } from './space.ts'
import type { Store } from './store.ts'
import { Volume, type VolumeSetting } from './volume.ts'

/** Where a volume lies, and the machine that it is opened in. */
export interface MountPlan {
  readonly cache: PageCache
  readonly io: Io
  /** The machine's read(2) and write(2), which copy what can't be shared. */
  readonly calls: { readonly read: Verb<CopyArgs>; readonly write: Verb<CopyArgs> }
  readonly device: Device
  readonly store: Store
  /** A faster function than the one that is always there, if the volume uses it. */
  readonly checksum?: Checksum
  /** Where the device's blocks are frames of memory: files can be open for DAX. */
  readonly region?: Region
  /** Which blocks may be given out; 'of what is free' if left out. */
  readonly reuse?: Reuse
}

export interface MakePlan extends MountPlan {
  /** Bytes of the device that it takes. */
  readonly size: Bytes
  /** Tells it from every other volume. */
  readonly id: number
  /** Whose its root directory is: root's if left out. */
  readonly root?: InodePlan
  /** What time it is, where there is a clock. */
  readonly now?: Time
}

export interface MakeArgs {
  readonly plan: MakePlan
  /** The volume, once the task has ended well. */
  volume: Volume | undefined
  block: Ticket | undefined
  commit: Ticket | undefined
}

export function makeArgs(plan: MakePlan): MakeArgs {
  return { plan, volume: undefined, block: undefined, commit: undefined }
}

export class Making implements Verb<MakeArgs> {
  readonly name = 'make a volume'

  attempt({ args }: Task<MakeArgs>): Outcome {
    const { plan } = args
    if (args.block === undefined) {
      const begun = this.begin(args, plan)
      if (begun.kind !== 'done') return begun
    }
    if (!args.block!.complete) return wait(args.block!, 'device')
    if (args.block!.errno !== errno.OK) return fail(args.block!.errno)
    args.commit ??= args.volume!.sync()
    if (!args.commit.complete) return wait(args.commit, 'device')
    return args.commit.errno === errno.OK ? done : fail(args.commit.errno)
  }

  private begin(args: MakeArgs, plan: MakePlan): Outcome {
    const { store, id, size } = plan
    const before = new Overlay(store, plan.checksum ?? MIX53).ask(() => store.get(HEADER_KEY))
    if (before.outcome.kind !== 'done') return before.outcome
    if (before.value !== undefined) return fail(errno.EEXIST)
    const { scheduler, frames } = plan.cache
    const setting = settingOf(plan, new Disk(scheduler, plan.device, frames.pageSize))
    const { blockSize } = setting.disk
    const header: Header = {
      format: FORMAT,
      blockSize,
      blocks: Math.floor(size / blockSize),
      id,
      checksum: setting.checksum.name,
    }
    if (header.blocks < 2) return fail(errno.ENOSPC)
    const volume = new Volume(setting, header)
    const { overlay, space, names } = volume.parts
    const formatted = overlay.edit(() => {
      overlay.put(HEADER_KEY, encodeHeader(header))
      space.format()
      names.format(plan.root ?? planned('directory'), plan.now ?? EPOCH)
    })
    if (formatted.kind !== 'done') return formatted
    args.volume = volume
    args.block = setting.disk.write(0, [headerBlock(header, setting.checksum)])
    return done
  }
}

export interface OpenPlan extends MountPlan {
  /** What is known to be damaged already, in words: with any the volume is open to be read. */
  readonly damage?: readonly string[]
  /** How long the device is, where that can be told. */
  readonly length?: Bytes
  /** Errors of the device that say nothing of what lies on it: it couldn't be asked. None if left out. */
  readonly unasked?: ReadonlySet<Errno>
}

export interface OpenArgs {
  readonly plan: OpenPlan
  /** The volume, once the task has ended well. */
  volume: Volume | undefined
  /** Why it couldn't be opened, in words. */
  why: string
  readonly disk: Disk
  readonly bytes: Uint8Array
  block: Ticket | undefined
  /** The device failed to read the block, once. */
  askedAgain: boolean
  /** What was left of the life before goes yet, in slices. */
  recovering: Volume | undefined
}

export function openArgs(plan: OpenPlan): OpenArgs {
  const { scheduler, frames } = plan.cache
  const disk = new Disk(scheduler, plan.device, frames.pageSize)
  const bytes = new Uint8Array(frames.pageSize)
  return {
    plan,
    volume: undefined,
    why: '',
    disk,
    bytes,
    block: undefined,
    askedAgain: false,
    recovering: undefined,
  }
}

export class Opening implements Verb<OpenArgs> {
  readonly name = 'open a volume'

  attempt({ args }: Task<OpenArgs>): Outcome {
    if (args.recovering !== undefined) return this.recover(args, args.recovering)
    args.block ??= args.disk.read(0, [args.bytes])
    if (!args.block.complete) return wait(args.block, 'device')
    if (args.block.errno !== errno.OK && !args.askedAgain) {
      args.askedAgain = true
      args.block = args.disk.read(0, [args.bytes])
      return wait(args.block, 'device')
    }
    // A first block that can't be read tells as little as a damaged one.
    if (args.block.errno !== errno.OK) args.bytes.fill(0)
    return this.open(args)
  }

  private open(args: OpenArgs): Outcome {
    const { plan, disk, bytes } = args
    const setting = settingOf(plan, disk)
    const { checksum, store } = setting
    const damage = [...(plan.damage ?? [])]
    const overlay = new Overlay(store, checksum)
    hang(overlay, 'onDamage', what => {
      args.why = what
    })
    let header = overlay.ask(() => {
      const record = overlay.get(HEADER_KEY)
      if (record === undefined) throw new Damage(`${store.name}: there is no volume: it has no header`)
      return decodeHeader(record)
    })
    if (header.outcome.kind === 'wait') return header.outcome
    if (header.value === undefined) {
      damage.push(args.why)
      if (isUnasked(args)) return fail(args.block!.errno)
      header = overlay.ask(() => {
        checkBlock(bytes, checksum, disk.name)
        return decodeHeader(bytes)
      })
      if (header.value === undefined) {
        args.why = damage.at(-1)!
        return header.outcome
      }
    }
    args.why = unfit(header.value, disk.blockSize, checksum.name)
    if (args.why !== '') return fail(errno.EINVAL)
    const volume = new Volume(setting, header.value)
    for (const what of damage) volume.parts.damaged(what)
    this.measure(volume, plan.length ?? Infinity)
    const looked = volume.parts.overlay.edit(() => {
      if (!isUnasked(args)) checkHeaderBlock(bytes, header.value!, checksum, disk.name)
      volume.parts.space.look()
    })
    if (looked.kind === 'wait') return looked
    args.recovering = volume
    return this.recover(args, volume)
  }

  /** What can't be recovered makes the volume one to be read. */
  private recover(args: OpenArgs, volume: Volume): Outcome {
    const recovered = volume.isReadOnly ? done : volume.recover()
    if (recovered.kind === 'wait' || recovered.kind === 'again') return recovered
    args.volume = volume
    return done
  }

  /** A device that has become shorter lacks blocks. */
  private measure({ parts, header }: Volume, length: Bytes): void {
    const { blockSize, blocks } = header
    if (length >= blocks * blockSize) return
    parts.space.present = Math.floor(length / blockSize)
    parts.damaged(
      `${parts.disk.name}, offset ${length}: the device ends here; the volume has ${blocks} blocks of ${blockSize} bytes`,
    )
  }
}

function isUnasked({ plan, block }: OpenArgs): boolean {
  return plan.unasked?.has(block!.errno) ?? false
}

/** Why this machine can't open a volume with such a header; '' if it can. */
function unfit({ blockSize, checksum }: Header, pageSize: Bytes, given: string): string {
  if (blockSize !== pageSize)
    return `the volume has blocks of ${blockSize} bytes; open it in a machine with pages of that size`
  return checksum === given ? '' : `the volume's checksums are made by ${checksum}, and ${given} was given`
}

function settingOf(
  { cache, io, calls, store, checksum = MIX53, region, reuse = 'of what is free' }: MountPlan,
  disk: Disk,
): VolumeSetting {
  return { cache, io, calls, disk, store, checksum, region, reuse }
}
