/**
 * A mapping of a hardware machine, as its caller holds it: the array, and what can be asked of its range.
 *
 * Sections run here, over the same memory as the array. What their views look pages up in is the mirror's leaf: a page
 * that isn't there is asked for by a message, so that a section never stops the thread. If a page goes between the look
 * and the touch, the touch is a hardware fault and gets the right bytes.
 *
 * Invariants
 *   HM1 After unmap begins no array of this thread shows the mapping: they are detached.
 */
import type {
  AdviceName,
  MappingFace,
  MappingHandle,
  MmuName,
  ProtName,
  RangeOptions,
  RemapOptions,
  RunOptions,
  SpaceFace,
} from '../api/index.ts'
import type { Bytes } from '../base/index.ts'
import { type Brought, FaultlineError, isWatched, told } from '../calls/index.ts'
import type { Miss, View } from '../mmu/index.ts'
import type { MappingCalls } from './calls.ts'
import type { Connection } from './connection.ts'
import { Control } from './control.ts'
import { MappedArray } from './mapped-array.ts'
import { broughtOr, type Programs, type Shown } from './programs.ts'
import { Remote } from './remote.ts'
import { WindowedView } from './windows.ts'
import type { MappingFacts } from './wire.ts'

export class HardwareMapping extends Remote<MappingCalls> implements MappingFace, Shown {
  readonly space: SpaceFace
  readonly name: string
  readonly length: Bytes
  readonly address: Bytes
  readonly view: View
  readonly control: Control
  private readonly array: MappedArray
  private readonly host: number
  private readonly shownBy: MmuName
  private readonly programs: Programs
  private unmapped = false

  constructor(
    connection: Connection,
    programs: Programs,
    space: SpaceFace,
    facts: MappingFacts,
    shownBy: MmuName,
  ) {
    super(connection, facts)
    this.space = space
    this.name = facts.name
    this.length = facts.length
    this.address = facts.address
    this.host = facts.host
    this.shownBy = shownBy
    this.programs = programs
    this.control = new Control(facts.control)
    this.array = new MappedArray(connection.linux, facts.name, facts.host, facts.length)
    const { pageSize, frames } = connection.started
    const { undo } = programs.sections
    this.view = new WindowedView(new Int32Array(facts.leaf), this.array.bytes, pageSize, frames, undo)
    programs.add(this)
  }

  /** There is but one: what may be loaded changes under a section here. */
  chooseView(): void {}

  get bytes(): Uint8Array<ArrayBuffer> {
    this.check('bytes')
    if (this.shownBy === 'software')
      throw new FaultlineError(
        'ENOTSUP',
        'bytes',
        `bytes of ${this.name}: it was mapped with mmu 'software', which shows it by run only; map it with mmu 'hardware'`,
      )
    return this.array.bytes
  }

  get handle(): MappingHandle {
    const { length } = this.bytes
    const { name, host, control } = this
    return {
      process: process.pid,
      name,
      host,
      length,
      control: control.buffer,
      machine: this.connection.traits,
    }
  }

  run<T>(section: (view: View) => T, options?: RunOptions): T | Promise<T> {
    return this.programs.sections.run(this, section, options)
  }

  async prefetch(
    ranges: readonly { readonly offset: Bytes; readonly length: Bytes }[],
    options: RunOptions = {},
  ): Promise<void> {
    this.check('prefetch')
    await this.call('prefetch', ranges, options)
  }

  async sync(options: RangeOptions = {}): Promise<void> {
    await told('sync', { name: this.name, mmu: 'hardware' }, () => this.ranged('sync', options))
  }

  async protect(prot: ProtName, options: RangeOptions = {}): Promise<void> {
    this.check('protect')
    await this.call('protect', prot, options)
  }

  async advise(advice: AdviceName, options: RangeOptions = {}): Promise<void> {
    this.check('advise')
    await this.call('advise', advice, options)
  }

  async populate(options: RangeOptions = {}): Promise<void> {
    await this.ranged('populate', options)
  }

  async lock(options: RangeOptions = {}): Promise<void> {
    await this.ranged('lock', options)
  }

  async unlock(options: RangeOptions = {}): Promise<void> {
    await this.ranged('unlock', options)
  }

  async resident(options: RangeOptions = {}): Promise<Uint8Array> {
    this.check('resident')
    return await this.call('resident', options)
  }

  async resize(_length: Bytes | string): Promise<never> {
    throw this.cantMove('resize')
  }

  async remap(_options: RemapOptions = {}): Promise<never> {
    throw this.cantMove('remap')
  }

  private cantMove(operation: string): FaultlineError {
    return new FaultlineError(
      'ENOTSUP',
      operation,
      `${operation} of ${this.name}: the arrays that show it can't move; map the file again as it is to be, then unmap this`,
    )
  }

  async unmap(): Promise<void> {
    this.check('unmap')
    this.unmapped = true
    // What a section begins happens after it.
    if (this.programs.sections.isRunning) await undefined
    this.detach()
    await this.call('unmap')
  }

  inFork(child: SpaceFace): HardwareMapping {
    this.check('inFork')
    const facts = this.ask('inFork', child)
    return new HardwareMapping(this.connection, this.programs, child, facts, this.shownBy)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.unmapped) await this.unmap()
  }

  /** Makes every array of this thread unusable (HM1). */
  detach(): void {
    this.unmapped = true
    if (this.programs.mappings.delete(this)) this.array.detach(this.control)
  }

  check(operation: string): void {
    if (this.unmapped)
      throw new FaultlineError(
        'EBADF',
        operation,
        `this mapping of ${this.name} was unmapped; map the file again`,
      )
  }

  /** Asks for a page that a section misses. For the sections of this thread. */
  bring({ vpn, access }: Miss, signal: AbortSignal | undefined): Promise<Brought> {
    const bring = () =>
      this.call('bring', vpn, access, signal === undefined ? {} : { signal }).then(kept => kept, broughtOr)
    if (!isWatched('fault')) return bring()
    const offset = vpn * this.connection.started.pageSize
    return told('fault', { name: this.name, space: this.space.name, offset, access, mmu: 'hardware' }, bring)
  }

  private async ranged(
    method: 'sync' | 'populate' | 'lock' | 'unlock',
    options: RangeOptions,
  ): Promise<void> {
    this.check(method)
    await this.call(method, options)
  }
}
