/**
 * Planted bugs: ways to lose data in a crash that filesystems have had. They show that the search can fail, and what notices.
 * The volume knows nothing of them: a method of one of its parts is replaced once the machine is put together.
 */
import { replace } from '../rig/index.ts'
import type { Ticket } from '../sched/index.ts'
import type { Stage } from './stage.ts'

export interface Planted {
  readonly name: string
  readonly says: string
  /** Before the volume is made or opened. */
  readonly onDevice?: (stage: Stage) => void
  /** When it is open. */
  readonly onVolume?: (stage: Stage) => void
}

export const PLANTED: readonly Planted[] = [
  {
    name: 'flush-nothing',
    says: 'a flush ends and has made nothing durable',
    onDevice: ({ device }) => replace(device, 'covers', () => () => new Map()),
  },
  {
    name: 'first-block-unflushed',
    says: 'the first block of a new volume isn’t durable before the commit that makes it one',
    onDevice: ({ device }) =>
      replace(device, 'covers', covers => () => new Map([...covers()].filter(([block]) => block !== 0))),
  },
  {
    name: 'flush-skipped',
    says: 'a commit doesn’t flush the device first',
    onVolume: stage => replace(stage.volume.parts.disk, 'flush', () => () => over(stage)),
  },
  {
    name: 'extent-before-data',
    says: 'an extent is put in place before its data has been written',
    onVolume: stage =>
      replace(stage.volume.parts.disk, 'write', write => (block, buffers) => {
        write(block, buffers)
        return over(stage)
      }),
  },
  {
    name: 'promise-before-commit',
    says: 'a sync ends when the commit begins',
    onVolume: stage =>
      replace(stage.volume.parts.commits, 'request', request => () => {
        request()
        return over(stage)
      }),
  },
  {
    name: 'freed-at-once',
    says: 'a freed block is given out again before the commit that frees it',
    onVolume: ({ store, volume: { parts } }) =>
      replace(parts.space, 'drop', drop => blocks => {
        drop(blocks)
        parts.space.seal(store.at + 1)
        parts.space.giveBack(store, 'freed', 0, Infinity)
      }),
  },
  {
    name: 'record-left-out',
    says: 'a commit leaves its last record out',
    onVolume: ({ store }) => replace(store, 'commit', commit => changes => commit(changes.slice(0, -1))),
  },
  {
    name: 'clone-uncounted',
    says: 'a clone doesn’t count the references of what it shares',
    onVolume: ({ volume: { parts } }) => replace(parts.space, 'share', () => () => {}),
  },
  {
    name: 'orphan-forgotten',
    says: 'a file that is open when it loses its name isn’t written down as an orphan',
    onVolume: ({ volume: { parts } }) => replace(parts.names, 'keepOrphan', () => () => {}),
  },
  {
    name: 'unshared-forgotten',
    says: 'DAX stores to a block that a crash gives back to another file',
    onVolume: ({ volume: { parts } }) => replace(parts.space, 'exclusiveEnd', () => blocks => blocks.end),
  },
  {
    name: 'map-sync-forgotten',
    says: 'MAP_SYNC lets a store in before its extent is durable',
    onVolume: ({ volume }) => replace(volume, 'openDax', open => path => open(path, { durable: false })),
  },
]

export function plantedNamed(name: string | undefined): Planted | undefined {
  return PLANTED.find(each => each.name === name)
}

/** A ticket of something that is over already. */
function over({ engine: { scheduler } }: Stage): Ticket {
  const ticket = scheduler.ticket('over')
  scheduler.complete(ticket)
  return ticket
}
