/** What a round leaves in a volume of many machines, and what a reader finds of it. */
import type { Machine } from '../../map/index.ts'
import type { Volume } from '../../volumes/index.ts'

export const PAGE = 4096
export const PAGES = 24
/** A sync of the volume is a commit for each file: of one all pages are in the same. */
export const FILES = ['/pages']

/** The round that a name tells. Throws if none does, or two. */
export async function roundOf(volume: Volume): Promise<number> {
  const rounds = (await volume.list('/')).flatMap(({ name }) => /^round (\d+)$/.exec(name)?.[1] ?? [])
  if (rounds.length !== 1) throw new Error(`there are ${rounds.length} names of rounds: ${rounds.join(', ')}`)
  return Number(rounds[0])
}

/** Round 0. */
export async function begin(volume: Volume): Promise<void> {
  await volume.create('/round 0')
  for (const path of FILES) await volume.put(new Uint8Array(PAGES * PAGE), path)
}

/** The round that the whole volume is at. Throws if a part of it is of another round, or of another writer. */
export async function wholeRound(machine: Machine, volume: Volume): Promise<number> {
  const round = await roundOf(volume)
  const space = machine.space({ name: `reader of round ${round}` })
  const seen = new Set<string>()
  for (const path of FILES) {
    const file = await volume.open(path)
    const map = await space.map(file)
    const bytes = await map.run(view => view.bytes(0, PAGES * PAGE).slice())
    const words = new Uint32Array(bytes.buffer)
    for (let page = 0; page < PAGES; page++) {
      const of = words.subarray((page * PAGE) / 4, ((page + 1) * PAGE) / 4)
      const [n, who] = [of[0]!, of[PAGE / 8]!]
      const torn = of.findIndex((word, at) => word !== (at < PAGE / 8 ? n : who))
      if (torn !== -1) throw new Error(`page ${page} of ${path} is torn at word ${torn}`)
      seen.add(`round ${n} by ${who}`)
    }
    await map.unmap()
    await file.close()
  }
  await space.exit()
  const [only] = seen
  if (seen.size !== 1 || !only!.startsWith(`round ${round} `))
    throw new Error(`the name says round ${round}, and the pages say ${[...seen].join(', ')}`)
  return round
}
