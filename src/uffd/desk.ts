/**
 * The pager's side of the wire: the objects of the machine, by number, and the calls that the other side makes of them.
 *
 * Invariants
 *   DE1 An answer leaves only after the hardware shows what it says.
 *   DE2 An object stays for as long as the other side has it; its number is never given again.
 */
import type { MapOptions } from '../api/index.ts'
import { broken, NumberMap } from '../base/index.ts'
import { FaultlineError, File, Group, type Machine, Mapping, Space, Volume } from '../map/index.ts'
import type { Areas } from './areas.ts'
import type { LoopWait } from './loop-wait.ts'
import { refused } from './refused.ts'
import { type Abort, type Reference, type Release, type Reply, type Request, sent } from './wire.ts'

/** What the other side knows of an object without asking. */
export interface FileFacts extends Reference {
  readonly name: string
  readonly readOnly: boolean
}
export interface VolumeFacts extends Reference {
  readonly path: string
}
export interface GroupFacts extends Reference {
  readonly path: string
}
export interface SpaceFacts extends Reference {
  readonly pid: number
  readonly name: string
}
export interface MappingFacts extends Reference {
  readonly name: string
  readonly length: number
  /** In its space, as /proc shows it. */
  readonly address: number
  /** In this process. */
  readonly host: number
  readonly leaf: SharedArrayBuffer
  readonly control: SharedArrayBuffer
}

/** What a volume is asked without a call. */
/** Of the machine: what is done with Node's own calls. */
const VOLUME_CALLS: ReadonlySet<string> = new Set(['createVolume', 'openVolume', 'repairVolume'])
const VOLUME_FACTS: ReadonlySet<string> = new Set(['readOnly', 'damage', 'usage'])

type Method = (...args: readonly unknown[]) => unknown

export class Desk {
  private readonly machine: Machine
  private readonly areas: Areas
  private readonly loop: LoopWait
  private readonly send: (reply: Reply) => void
  private readonly objects = new Map<number, object>()
  private readonly numbers = new Map<object, number>()
  private readonly aborts = new NumberMap<AbortController>()
  private ids = 0

  /** `send`: hands an answer on, once the hardware is as it says (DE1). */
  constructor(machine: Machine, areas: Areas, loop: LoopWait, send: (reply: Reply) => void) {
    this.machine = machine
    this.areas = areas
    this.loop = loop
    this.send = send
  }

  numberOf(object: object): number {
    let number = this.numbers.get(object)
    if (number === undefined) {
      number = ++this.ids
      this.numbers.set(object, number)
      this.objects.set(number, object)
    }
    return number
  }

  take(message: Request | Abort | Release): void {
    if ('release' in message) this.forget(message.release)
    else if ('abort' in message) this.aborts.get(message.abort)?.abort()
    else if (message.sync === true) this.answerNow(message)
    else void this.answer(message)
  }

  private answerNow({ id, to, method, args }: Request): void {
    try {
      this.send({ id, value: this.facts(this.perform(to, method, args)) })
    } catch (error) {
      this.send({ id, error: sent(error) })
    }
  }

  private async answer(request: Request): Promise<void> {
    const { id, to, method } = request
    try {
      const value = await this.perform(to, method, this.withSignal(request))
      if (value instanceof File) await this.begin(value)
      this.send({ id, value: this.facts(value) })
    } catch (error) {
      this.send({ id, error: sent(error) })
    } finally {
      this.aborts.delete(id)
    }
  }

  /** The last argument gets the signal that the caller's stands for. */
  private withSignal({ id, args, signal }: Request): readonly unknown[] {
    if (signal === undefined) return args
    const controller = new AbortController()
    if (signal === 'aborted') controller.abort()
    else this.aborts.set(id, controller)
    const options = { ...(args.at(-1) as object), signal: controller.signal }
    return [...args.slice(0, -1), options]
  }

  private perform(to: number, method: string, sentArgs: readonly unknown[]): unknown {
    const target = this.objects.get(to)
    if (target === undefined) throw broken(`DE2: what ${method} is called of stays`)
    const args = sentArgs.map(argument => this.resolved(argument))
    if (target instanceof Mapping) return this.ofMapping(target, method, args)
    if (target instanceof Space) return this.ofSpace(target, method, args)
    if (target instanceof File) return this.ofFile(target, method, args)
    if (target instanceof Volume && VOLUME_FACTS.has(method)) return target[method as 'usage']
    if (target === this.machine && method === 'unpin') return this.unpin(args[0] as readonly number[])
    if (target instanceof Volume || VOLUME_CALLS.has(method))
      return this.loop.during(async () => call(target, method, args))
    return call(target, method, args)
  }

  private ofMapping(mapping: Mapping, method: string, args: readonly unknown[]): unknown {
    switch (method) {
      case 'bring':
        return this.bring(mapping, args)
      case 'unmap':
        return this.unmap(mapping)
      case 'inFork':
        return this.place(call(mapping, method, args) as Mapping)
      default:
        return call(mapping, method, args)
    }
  }

  private ofSpace(space: Space, method: string, args: readonly unknown[]): unknown {
    switch (method) {
      case 'mapAnonymous':
        throw notShared('memory')
      case 'map':
        if ((args[1] as MapOptions | undefined)?.share === 'private') throw notShared('a private mapping')
        return space.map(args[0] as File, args[1] as MapOptions).then(mapping => this.placeOrUnmap(mapping))
      default:
        return call(space, method, args)
    }
  }

  private ofFile(file: File, method: string, args: readonly unknown[]): unknown {
    switch (method) {
      case 'size':
        return file.size
      case 'read':
        return this.read(file, args)
      default:
        return call(file, method, args)
    }
  }

  /** A page that a section of the other side misses. */
  private async bring(mapping: Mapping, [page, access, options]: readonly unknown[]): Promise<number> {
    const vpn = mapping.start + (page as number)
    const { signal } = (options ?? {}) as { readonly signal?: AbortSignal }
    const brought = await mapping.bring({ vpn, access: access as 'load' | 'store' }, signal)
    if (typeof brought !== 'number') throw brought
    return brought
  }

  private unpin(frames: readonly number[]): void {
    this.machine.engine.verbs.fault.letGo(frames)
  }

  /** Reads into memory of this side; the answer carries it over. */
  private async read(file: File, [length, position, options]: readonly unknown[]): Promise<Uint8Array> {
    const target = new Uint8Array(length as number)
    const got = await file.read(target, position as number | bigint, options as object | undefined)
    return target.subarray(0, got)
  }

  private async unmap(mapping: Mapping): Promise<void> {
    try {
      await mapping.unmap()
    } finally {
      this.areas.letGo(mapping)
    }
  }

  private place(mapping: Mapping): Mapping {
    this.areas.place(mapping, this.machine.pageSize)
    return mapping
  }

  private async placeOrUnmap(mapping: Mapping): Promise<Mapping> {
    try {
      return this.place(mapping)
    } catch (error) {
      await mapping.unmap().catch(() => {})
      throw refused(error, 'map', mapping.name)
    }
  }

  /** A file that was opened: if the host has no room for its pages, it is closed again. */
  private async begin(file: File): Promise<void> {
    try {
      this.areas.begin(file)
    } catch (error) {
      await file.close().catch(() => {})
      throw refused(error, 'open', file.name)
    }
  }

  private forget(number: number): void {
    const object = this.objects.get(number)
    if (object !== undefined) this.numbers.delete(object)
    this.objects.delete(number)
  }

  private resolved(argument: unknown): unknown {
    if (isReference(argument)) return this.objects.get(argument.ref)
    if (
      typeof argument !== 'object' ||
      argument === null ||
      Object.getPrototypeOf(argument) !== Object.prototype
    )
      return argument
    const entries = Object.entries(argument)
    if (!entries.some(([, value]) => isReference(value))) return argument
    return Object.fromEntries(
      entries.map(([key, value]) => [key, isReference(value) ? this.objects.get(value.ref) : value]),
    )
  }

  private facts(value: unknown): unknown {
    if (value instanceof File) {
      const { name, readOnly } = value
      return { ref: this.numberOf(value), name, readOnly } satisfies FileFacts
    }
    if (value instanceof Group) return { ref: this.numberOf(value), path: value.path } satisfies GroupFacts
    if (value instanceof Volume) return { ref: this.numberOf(value), path: value.path } satisfies VolumeFacts
    if (value instanceof Space) {
      const { pid, name } = value
      return { ref: this.numberOf(value), pid, name } satisfies SpaceFacts
    }
    return value instanceof Mapping ? this.mappingFacts(value) : value
  }

  private mappingFacts(mapping: Mapping): MappingFacts {
    const { area, control } = this.areas.of(mapping)
    const { name, length, address } = mapping
    const ref = this.numberOf(mapping)
    const leaf = area.leaf.buffer as SharedArrayBuffer
    return { ref, name, length, address, host: area.address, leaf, control: control.buffer }
  }
}

function call(target: object, method: string, args: readonly unknown[]): unknown {
  return (target as Record<string, Method>)[method]!(...args)
}

function isReference(value: unknown): value is Reference {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Reference>).ref === 'number'
}

function notShared(what: string): FaultlineError {
  return new FaultlineError(
    'ENOTSUP',
    'map',
    `map: a hardware machine shows shared mappings of files, not ${what}; for that start another machine with mmu 'software'`,
  )
}
