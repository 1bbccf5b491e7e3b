/**
 * What a load of a resident page costs through the hardware MMU: the mapping's own array against an array of the heap, and
 * against the software MMU.
 *
 * Both arrays are read by one function, which is warmed up on both, so the same compiled code reads them. The heap's
 * array is touched page by page as the mapping is; the host may still give it huge pages, which a memory file has not.
 */
import { type Bytes, Prng } from '../base/index.ts'
import { Machine } from '../map/index.ts'
import { startHardware } from './hardware.ts'
import { atOnce, type Bench, compare, cpuNsEach, type Figure, MIB, sink } from './measure.ts'
import { makeFile } from './scratch.ts'

const WORD: Bytes = 4
/** Loads of one section of the software MMU. */
const SECTION = 65_536

export const hardwareLoads: Bench = {
  name: 'hardware-loads',
  about: 'resident u32 loads through .bytes against an array of the heap, and against the software MMU',
  async run(plan) {
    const size = (plan.smoke ? 4 : 128) * MIB
    const count = plan.smoke ? SECTION : 64 * SECTION
    const path = makeFile(plan, 'hardware-loads', size)
    await using machine = await startHardware({ memory: size + 16 * MIB })
    await using file = await machine.open(path)
    const map = await machine.space({ name: 'loads' }).map(file, { mmu: 'hardware' })
    await map.populate()
    const mapped = new Uint32Array(map.bytes.buffer)
    const heap = new Uint32Array(size / WORD)
    heap.set(mapped)

    await using other = await Machine.start({ memory: size + 16 * MIB })
    await using same = await other.open(path)
    const soft = await other.space({ name: 'loads' }).map(same)
    await soft.populate()

    const orders = { random: randomWords(count, size / WORD), sequential: words(count, size / WORD) }
    for (const order of [orders.random, orders.sequential])
      for (const array of [mapped, heap, mapped, heap]) sink.value += sumOf(array, order)
    const figures: Figure[] = []
    for (const [name, order] of Object.entries(orders)) {
      const common = {
        unit: 'ns cpu',
        rounds: 25,
        ours: () => cpuNsEach(count, () => load(mapped, order)),
      } as const
      figures.push(
        await compare(plan, {
          ...common,
          name: `${name} loads, the heap`,
          what: `one function over map.bytes and over an array of the heap, ${count} loads over ${size / MIB} MiB`,
          target: { atMost: 1.05 },
          ratio: 'ours/theirs',
          theirs: () => cpuNsEach(count, () => load(heap, order)),
        }),
        await compare(plan, {
          ...common,
          name: `${name} loads, the software MMU`,
          what: `map.bytes against view.u32 in sections of ${SECTION}, over the same file`,
          target: 'none',
          ratio: 'theirs/ours',
          theirs: () =>
            cpuNsEach(count, () => {
              for (let from = 0; from < count; from += SECTION) {
                const end = from + SECTION
                const sum = soft.run(view => {
                  let total = 0
                  for (let at = from; at < end; at++) total = (total + view.u32(order[at]! * WORD)) | 0
                  return total
                })
                sink.value += atOnce(sum)
              }
            }),
        }),
      )
    }
    await map.unmap()
    return figures
  },
}

function load(array: Uint32Array, order: Uint32Array): void {
  sink.value += sumOf(array, order)
}

function sumOf(array: Uint32Array, order: Uint32Array): number {
  let total = 0
  for (let at = 0; at < order.length; at++) total = (total + array[order[at]!]!) | 0
  return total
}

function randomWords(count: number, length: number): Uint32Array {
  const prng = new Prng(1)
  return Uint32Array.from({ length: count }, () => prng.below(length))
}

/** Every word from the start on, around again at the end. */
function words(count: number, length: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, at) => at % length)
}
