/**
 * A library on a mapping against the same library on the whole file in the heap: look-ups of mmdb-lib in a database of
 * 300,000 networks, as examples/addresses.ts makes them.
 */
import fs from 'node:fs'
import { Reader, type Response } from 'mmdb-lib'
import { sampleAddresses } from '../../examples/samples.ts'
import { startHardware } from './hardware.ts'
import { type Bench, compare, type Figure, MIB, perSecond, sink } from './measure.ts'
import { scratchPath } from './scratch.ts'

export const hardwareLibraries: Bench = {
  name: 'hardware-libraries',
  about: 'look-ups of mmdb-lib in a mapping, resident and at half memory, against the whole file in the heap',
  async run(plan) {
    const directory = scratchPath(plan, 'libraries')
    fs.mkdirSync(directory)
    plan.say(`writing a database to ${directory}`)
    const sample = sampleAddresses(directory, plan.smoke ? 2000 : 300_000, plan.smoke ? 100 : 20_000)
    const addresses = fs.readFileSync(sample.question, 'utf8').trimEnd().split('\n')
    const heap = new Reader<Response>(fs.readFileSync(sample.path))
    const { size } = fs.statSync(sample.path)
    const figures: Figure[] = []
    for (const { name, share, target, rounds } of [
      { name: 'resident', share: 1, target: { atLeast: 0.9 }, rounds: 15 },
      { name: 'half memory', share: 0.5, target: 'none', rounds: 5 },
    ] as const) {
      await using machine = await startHardware({ memory: size + 16 * MIB })
      await using file = await machine.open(sample.path)
      const group = machine.group('reader', { 'memory.max': Math.ceil(size * share) + MIB })
      const map = await machine
        .space({ name: 'reader', group })
        .map(file, { mmu: 'hardware', advice: 'random' })
      await map.populate()
      const { bytes } = map
      const mapped = new Reader<Response>(Buffer.from(bytes.buffer, bytes.byteOffset, size))
      const lookUps = (reader: Reader<Response>) => () =>
        perSecond(addresses.length, async () => {
          for (const address of addresses) if (reader.get(address) !== null) sink.value++
        })
      figures.push(
        await compare(plan, {
          name: `look-ups, ${name}`,
          what: `mmdb-lib over map.bytes of ${(size / MIB).toFixed(0)} MiB against the same bytes in the heap`,
          unit: 'look-ups/s',
          target,
          ratio: 'ours/theirs',
          rounds,
          ours: lookUps(mapped),
          theirs: lookUps(heap),
        }),
      )
      await map.unmap()
    }
    return figures
  },
}
