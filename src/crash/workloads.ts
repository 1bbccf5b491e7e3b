/**
 * The workloads: every row of one operation, and of two with or without a promise between them, bounded as ACE bounds its own
 * (few files, few ranges, one operation of each sort for each way that a range can lie), and longer ones by chance.
 *
 *     one      change, sync
 *     two      change, [persist], change, sync
 *     random   three to six operations
 *
 * Written as words, a workload is   mode start order: operation operation …   and can be read back.
 */
import { Prng } from '../base/index.ts'
import type { Order } from './crash-device.ts'
import { OPERATIONS, type Operation, operationNamed, UPGRADE } from './operations.ts'
import { MODES, type Mode } from './stage.ts'

/** How the files lie at first. */
export const STARTS = [
  'nothing', // no volume yet
  'apart', // each in blocks of its own
  'clones', // b is a clone of a
  'plain', // each in blocks of its own, which have been stored to through DAX
  'plain-clones', // b is a clone of such an a
  'high', // at the end of the device, so that a volume that shrinks moves them; a block of a's is b's too
  'format-1', // as 'clones', in a volume of format 1, which is upgraded first
] as const
export type Start = (typeof STARTS)[number]

export const ORDERS: readonly Order[] = ['oldest-first', 'newest-first']

const STARTS_OF: Record<Mode, readonly Start[]> = {
  cache: ['apart', 'clones', 'high', 'format-1'],
  dax: ['clones', 'plain', 'plain-clones', 'format-1'],
  'dax-sync': ['clones', 'plain-clones'],
}

export interface Workload {
  readonly mode: Mode
  readonly start: Start
  readonly order: Order
  readonly operations: readonly Operation[]
}

/** A part of the work that can be done by itself. */
export interface Batch {
  readonly mode: Mode
  readonly start: Start
  readonly order: Order
  readonly kind: 'one' | 'two' | 'random' | 'make'
  /** two: the number of the first operation; random: of the batch. */
  readonly number: number
  readonly seed: number
}

const RANDOM_WORKLOADS = 25

const CHANGES = OPERATIONS.filter(({ kind }) => kind === 'change')
const PERSISTS = OPERATIONS.filter(each => each.kind === 'persist' && each !== UPGRADE)

const SYNC = operationNamed('sync')!

/** The batches of the bounded workloads. */
export function batches(kinds: readonly Batch['kind'][], seed: number): Batch[] {
  const found: Batch[] = []
  for (const kind of ['make', 'one', 'two'] as const)
    for (const mode of kinds.includes(kind) ? MODES : [])
      for (const start of kind === 'make' ? (['nothing'] as const) : STARTS_OF[mode])
        for (const order of ORDERS) {
          const count = kind === 'two' ? CHANGES.length : 1
          for (let number = 0; number < count; number++)
            found.push({ mode, start, order, kind, number, seed })
        }
  return found
}

/** A batch by chance. */
export function randomBatch(seed: number, number: number): Batch {
  const mode = MODES[number % MODES.length]!
  const starts = STARTS_OF[mode]
  const start = starts[Math.floor(number / MODES.length) % starts.length]!
  return { mode, start, order: ORDERS[number % ORDERS.length]!, kind: 'random', number, seed }
}

export function* workloadsOf(batch: Batch): Generator<Workload> {
  const { mode, start, order, kind, number, seed } = batch
  const first = start === 'format-1' ? [UPGRADE] : []
  if (kind === 'make') yield { mode, start, order, operations: [] }
  if (kind === 'one')
    for (const change of CHANGES) yield { mode, start, order, operations: [...first, change, SYNC] }
  if (kind === 'two')
    for (const second of CHANGES)
      for (const persist of [[], ...PERSISTS.map(each => [each])])
        yield { mode, start, order, operations: [...first, CHANGES[number]!, ...persist, second, SYNC] }
  if (kind === 'random') {
    const prng = new Prng(seed * 7919 + number)
    for (let count = 0; count < RANDOM_WORKLOADS; count++) {
      const length = 3 + prng.below(4)
      const operations = Array.from({ length }, () => prng.pick(prng.below(4) === 0 ? PERSISTS : CHANGES))
      yield { mode, start, order, operations: [...first, ...operations] }
    }
  }
}

export function wordsOf({ mode, start, order, operations }: Workload): string {
  return `${mode} ${start} ${order}: ${operations.map(({ name }) => name).join(' ')}`
}

/** Reads a workload back, or says what is wrong with it. */
export function workloadFrom(text: string): Workload | string {
  const [, mode, start, order, rest] = /^(\S+) (\S+) (\S+): ?(.*)$/.exec(text) ?? []
  const [foundMode, foundOrder] = [MODES.find(each => each === mode), ORDERS.find(each => each === order)]
  const foundStart = STARTS.find(each => each === start)
  if (foundMode === undefined || foundStart === undefined || foundOrder === undefined)
    return `"${text}" isn’t a workload; expected MODE START ORDER: OPERATION …, as a violation prints it`
  const operations: Operation[] = []
  for (const name of rest!.split(' ').filter(word => word !== '')) {
    const operation = operationNamed(name)
    if (operation === undefined)
      return `there is no operation ${name}; there are ${OPERATIONS.map(each => each.name).join(', ')}`
    operations.push(operation)
  }
  return { mode: foundMode, start: foundStart, order: foundOrder, operations }
}
