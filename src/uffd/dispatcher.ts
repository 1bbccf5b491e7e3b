/**
 * The pager's side of the wire: the objects of the machine, by number, and the calls that the other side makes of them.
 *
 * Invariants
 *   DE1 An answer leaves only after the hardware shows what it says.
 *   DE2 An object stays for as long as the other side has it; its number is never given again.
 */
import { broken, NumberMap } from '../base/index.ts'
import { Group } from '../calls/index.ts'
import { File } from '../files/index.ts'
import { type Machine, Mapping, Space } from '../map/index.ts'
import { Volume } from '../volumes/index.ts'
import type { Areas } from './areas.ts'
import type { Call } from './calls.ts'
import type { LoopWait } from './loop-wait.ts'
import { type Served, type ServedCalls, servedBy } from './served.ts'
import {
  type Abort,
  type FileFacts,
  type GroupFacts,
  type MappingFacts,
  type Reference,
  type Release,
  type Reply,
  type Request,
  type SpaceFacts,
  sent,
  type VolumeFacts,
} from './wire.ts'

/** What a number on the wire can stand for. */
type Known = Machine | Group | File | Volume | Space | Mapping

export class Dispatcher {
  private readonly areas: Areas
  private readonly served: ServedCalls
  private readonly send: (reply: Reply) => void
  private readonly objects = new Map<number, Known>()
  private readonly numbers = new Map<Known, number>()
  private readonly aborts = new NumberMap<AbortController>()
  private ids = 0

  /** `send`: hands an answer on, once the hardware is as it says (DE1). */
  constructor(machine: Machine, areas: Areas, loop: LoopWait, send: (reply: Reply) => void) {
    this.areas = areas
    this.served = servedBy(machine, areas, loop)
    this.send = send
  }

  numberOf(object: Known): number {
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
    if (target instanceof Mapping) return served(this.served.mapping, target, method, args)
    if (target instanceof Space) return served(this.served.space, target, method, args)
    if (target instanceof File) return served(this.served.file, target, method, args)
    if (target instanceof Volume) return served(this.served.volume, target, method, args)
    if (target instanceof Group) return served(this.served.group, target, method, args)
    return served(this.served.machine, target, method, args)
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

/** Names and arguments have the table's types: only `Remote`, which is typed by it, sends them. */
function served<Target, Calls>(
  calls: Served<Target, Calls>,
  target: Target,
  method: string,
  args: readonly unknown[],
): unknown {
  return calls[method as keyof Calls](target, ...(args as Parameters<Call<Calls, keyof Calls>>))
}

function isReference(value: unknown): value is Reference {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Reference>).ref === 'number'
}
