/** Bugs to plant in a volume: ways to be wrong about blocks that files share. */
import { replace } from '../../rig/index.ts'
import { done } from '../../sched/index.ts'
import { DaxFile, type VolumeFile } from '../../volume/index.ts'
import type { Canary } from '../canaries.ts'
import type { Machine } from '../machine.ts'
import type { LabVolume } from './volume.ts'

/** Plants nothing where there is no volume. */
function inVolume(plant: (on: LabVolume, machine: Machine) => void): Pick<Canary, 'plant' | 'among'> {
  return {
    among: 'files of a volume',
    plant: machine => {
      if (machine.volume !== undefined) plant(machine.volume, machine)
    },
  }
}

function eachOpened({ opened }: LabVolume, plant: (file: VolumeFile | DaxFile) => void): void {
  for (const file of opened.values()) plant(file)
}

function eachDax(on: LabVolume, plant: (file: DaxFile) => void): void {
  eachOpened(on, file => {
    if (file instanceof DaxFile) plant(file)
  })
}

const nothing = () => {}

export const VOLUME_CANARIES: readonly (Omit<Canary, 'under'> & Partial<Canary>)[] = [
  {
    name: 'no-cow',
    says: 'a shared block is stored to in place',
    ...inVolume(({ volume: { parts } }) => {
      replace(parts.space, 'references', () => ({ end }) => ({ count: 1, end }))
      replace(parts.space, 'exclusiveEnd', () => blocks => blocks.end)
    }),
  },
  {
    name: 'crash-shares',
    says: 'a block is stored to although a crash could bring its other owner back',
    ...inVolume(({ volume: { parts } }) => replace(parts.space, 'exclusiveEnd', () => blocks => blocks.end)),
  },
  {
    name: 'keeps-for-copy',
    says: 'the lock is kept while a block is copied',
    among: 'files of a volume',
    discipline: row => ({ ...row, prepare: 'keep' }),
  },
  {
    name: 'copied-twice',
    says: 'a store doesn’t see that its block is being copied, and has it copied too',
    ...inVolume(on => eachDax(on, ({ copies }) => replace(copies, 'get', () => () => undefined))),
  },
  {
    name: 'neighbour-unseen',
    says: 'a store doesn’t see that its block is being copied with that of the page before',
    ...inVolume(on =>
      eachDax(on, ({ copies }) =>
        replace(copies, 'set', set => (index, copy) => {
          if (copy.ticket.what.endsWith(` page ${index}`)) set(index, copy)
        }),
      ),
    ),
  },
  {
    name: 'maps-old-block',
    says: 'after the copy the fault maps the frame that it began with',
    ...inVolume((on, { notes }) =>
      eachDax(on, file =>
        replace(file, 'pageMkwrite', mkwrite => request => {
          const { fault } = request
          const { frame } = fault
          const outcome = mkwrite(request)
          if (outcome.kind === 'wait') notes.set(fault, { frame })
          else Object.assign(fault, notes.get(fault))
          return outcome
        }),
      ),
    ),
  },
  {
    name: 'old-entries-stay',
    says: 'entries of the old block stay when the page gets another one',
    ...inVolume(on =>
      eachDax(on, ({ place: { mappers } }) =>
        replace(mappers, 'unmapRange', unmap => (file, start, end, which) => {
          if (end !== start + 1) unmap(file, start, end, which)
        }),
      ),
    ),
  },
  {
    name: 'clone-keeps-entries',
    says: 'a clone leaves the right to store with those who map its source',
    ...inVolume(on => eachDax(on, file => replace(file, 'unmap', () => () => done))),
  },
  {
    name: 'hasty-change',
    says: 'a clone or a truncation doesn’t wait for copies, or for dirty pages',
    ...inVolume(on => eachOpened(on, file => replace(file, 'settle', () => () => done))),
  },
  {
    name: 'claim-forgotten',
    says: 'a clone that is killed never gives its claim back',
    ...inVolume(({ volume: { remapping } }) => replace(remapping, 'abandon', () => nothing)),
  },
  {
    name: 'copy-leaks',
    says: 'the block of a copy that failed is never given back',
    ...inVolume(({ volume: { parts } }) => replace(parts.space, 'cancel', () => nothing)),
  },
  {
    name: 'promise-kept',
    says: 'a block stays promised to a page that has been written',
    ...inVolume(({ volume: { parts } }) => replace(parts.space, 'unreserve', () => nothing)),
  },
  {
    name: 'uncounted-clone',
    says: 'a clone shares blocks and doesn’t count itself',
    ...inVolume(({ volume: { parts } }) => replace(parts.space, 'share', () => nothing)),
  },
  {
    name: 'blind-dedupe',
    says: 'a dedupe shares what differs',
    ...inVolume(({ volume: { remapping } }) =>
      replace(remapping as unknown as { compare(): unknown }, 'compare', () => () => done),
    ),
  },
  {
    name: 'old-pages-stay',
    says: 'what a clone replaces stays in the cache',
    ...inVolume(on => eachOpened(on, file => replace(file, 'drop', () => () => done))),
  },
]
