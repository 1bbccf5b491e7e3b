/** What must be true of machines that share a volume's metadata, whatever is late or lost. A sentence each, or undefined. */
import { errno } from '../base/index.ts'
import { Failure, type NetworkedStore } from '../volume/index.ts'
import type { Shared } from './shared.ts'

type Check = (shared: Shared) => string | undefined

const PAGE_KEY = 'n'

export const PROPERTIES: Readonly<Record<string, Check>> = {
  'a commit that was told to be durable is there, once; one that was told to have failed never is (ST5)': ({
    told,
    server,
  }) => {
    for (const [at, { changes, ticket }] of told.entries()) {
      const times = server.log.filter(commit => commit.changes === changes).length
      if (times > 1) return `commit ${at + 1} was made ${times} times`
      if (!ticket.complete) continue
      if (ticket.errno === errno.OK && times === 0 && changes.length > 0)
        return `commit ${at + 1} was told to be durable, and isn't there`
      if (ticket.errno !== errno.OK && times === 1)
        return `commit ${at + 1} was told to have failed, and is there`
    }
    return undefined
  },

  'nobody commits after another has the lease (ST8)': ({ server: { log } }) => {
    for (const [at, { epoch }] of log.entries())
      if (at > 0 && epoch < log[at - 1]!.epoch)
        return `commit ${at + 1} was made under lease ${epoch}, after one under ${log[at - 1]!.epoch}`
    return undefined
  },

  'no move of the page is lost': shared => {
    const { count, by } = shared.pageAt(shared.server.head)
    return count === by[0] + by[1]
      ? undefined
      : `the page was moved ${by[0]} and ${by[1]} times, and counts ${count}`
  },

  'what is here is what the commit has (ST2, ST6, ST7)': ({ writers, reader, server }) => {
    for (const store of [...writers.map(writer => writer.store), reader]) {
      if (store?.entered.complete !== true) continue
      const known = differing(store, server.stateAt(store.at))
      if (known !== undefined) return `${store.name} is at commit ${store.at}, and ${known}`
    }
    return undefined
  },

  'the reader reads the page of its commit, or ESTALE (VS5, ST8)': shared => {
    const { reader, blocks } = shared
    if (reader?.entered.complete !== true) return undefined
    if (reader.lease.lost)
      return refuses(reader) ? undefined : 'the reader reads on after its time has run out'
    const { count, block } = shared.pageAt(reader.at)
    if (blocks[block] === count) return undefined
    return `at commit ${reader.at} the page counts ${count} and lies in block ${block}, which holds ${blocks[block]}`
  },
}

/** When nothing is under way and nothing more can happen. */
export const atTheEnd: Check = ({ writers, told }) => {
  for (const { task, store } of writers)
    if (task!.state !== 'ended') return `${store.name} hangs: ${task!.wait?.ticket.what ?? task!.state}`
  return told.some(({ ticket }) => !ticket.complete) ? 'a commit never ends' : undefined
}

function differing(
  store: NetworkedStore,
  state: ReturnType<Shared['server']['stateAt']>,
): string | undefined {
  for (const { start, end } of store['here']) {
    const said = entriesOf(store['records'].range(start, end))
    const meant = entriesOf(state.range(start, end))
    if (said !== meant) return `says ${said} where there is ${meant}`
  }
  return undefined
}

function entriesOf(entries: Iterable<{ readonly key: string; readonly value: Uint8Array }>): string {
  return [...entries].map(({ key, value }) => `${key}=${value.join('.')}`).join(' ')
}

function refuses(reader: NetworkedStore): boolean {
  try {
    reader.get(PAGE_KEY)
    return false
  } catch (error) {
    return error instanceof Failure && error.errno === errno.ESTALE
  }
}
