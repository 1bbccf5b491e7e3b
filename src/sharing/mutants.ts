/**
 * The machines that share a store, in several plans, and ways for them to be wrong. Each must be found in one of the plans: they
 * show that its properties can fail.
 */
import { errno } from '../base/index.ts'
import { type MetadataServer, replace } from '../rig/index.ts'
import type { Basis } from '../volume/index.ts'
import type { Shared, SharedPlan } from './shared.ts'

const PLANS = {
  lost: {
    name: 'two writers, and answers that are lost',
    blocks: 2,
    moves: [1, 1],
    giveUps: 2,
    beats: 0,
    reader: undefined,
  },
  again: {
    name: 'a writer whose commits are lost',
    blocks: 2,
    moves: [2],
    giveUps: 2,
    beats: 0,
    reader: undefined,
  },
  full: {
    name: 'a reader that goes on, and a writer that waits for its blocks',
    blocks: 2,
    moves: [2],
    giveUps: 0,
    beats: 1,
    reader: { looks: 1, expiries: 0 },
  },
  cut: {
    name: 'a reader that is cut off',
    blocks: 2,
    moves: [2],
    giveUps: 0,
    beats: 0,
    reader: { looks: 1, expiries: 1 },
  },
  missed: {
    name: 'a reader that missed some commits',
    blocks: 3,
    moves: [2],
    giveUps: 0,
    beats: 0,
    reader: { looks: 1, expiries: 0 },
  },
} satisfies Readonly<Record<string, SharedPlan>>

export const SHARED_PLANS: readonly SharedPlan[] = Object.values(PLANS)

export interface SharedMutant {
  readonly name: string
  readonly says: string
  /** Where it shows. */
  readonly plan: SharedPlan
  readonly plant: (shared: Shared) => void
}

/** The server takes each commit for one that stands on what `taken` says. */
function standsOn(server: MetadataServer, taken: (basis: Basis) => Basis): void {
  replace(
    server,
    'answer',
    answer => (client, call) =>
      answer(client, call.kind === 'commit' ? { ...call, basis: taken(call.basis) } : call),
  )
}

export const SHARED_MUTANTS: readonly SharedMutant[] = [
  {
    name: 'sent-again',
    says: 'a commit that nothing was heard of is sent again',
    plan: PLANS.lost,
    plant: shared =>
      eachClient(shared, client =>
        replace(client, 'hear', hear => (call, reply) => {
          if (call.kind === 'commit' && reply === 'nothing') shared.network.send(client, call)
          else hear(call, reply)
        }),
      ),
  },
  {
    name: 'told-failed',
    says: 'a commit that nothing was heard of is told to have failed',
    plan: PLANS.lost,
    plant: shared =>
      eachClient(shared, client =>
        replace(client, 'hear', hear => (call, reply) => {
          if (call.kind === 'commit' && reply === 'nothing') client['end'](errno.EIO)
          else hear(call, reply)
        }),
      ),
  },
  {
    name: 'outcome-leaves-the-door-open',
    says: 'the server says that a commit wasn’t made, and makes it when it comes later',
    plan: PLANS.lost,
    plant: ({ server }) =>
      replace(server, 'answer', answer => (client, call) => {
        const { epoch } = server
        const reply = answer(client, call)
        if (call.kind === 'outcome' && reply.kind === 'outcome') server.epoch = epoch
        return reply.kind === 'outcome' && reply.epoch !== undefined ? { ...reply, epoch } : reply
      }),
  },
  {
    name: 'fenced-writer-commits',
    says: 'the server doesn’t ask under which lease a commit is made',
    plan: PLANS.lost,
    plant: ({ server }) => standsOn(server, basis => ({ ...basis, epoch: server.epoch })),
  },
  {
    name: 'stands-on-nothing',
    says: 'the server asks neither for the lease nor for what a commit stands on',
    plan: PLANS.lost,
    plant: ({ server }) => standsOn(server, () => ({ epoch: server.epoch, after: server.head })),
  },
  {
    name: 'stale-is-success',
    says: 'a writer that was fenced takes its commit for made',
    plan: PLANS.lost,
    plant: shared =>
      eachClient(shared, client =>
        replace(client, 'hear', hear => (call, reply) => {
          const isStale = call.kind === 'commit' && reply !== 'nothing' && reply.kind === 'stale'
          hear(call, isStale ? { kind: 'committed', horizon: client.horizon } : reply)
        }),
      ),
  },
  {
    name: 'horizon-past-readers',
    says: 'the server forgets who still reads an older commit',
    plan: PLANS.full,
    plant: ({ server }) =>
      replace(server, 'answer', answer => (client, call) => {
        const pins = [...server.pins]
        server.pins.clear()
        const reply = answer(client, call)
        for (const [name, at] of pins) if (!server.pins.has(name)) server.pins.set(name, at)
        return reply
      }),
  },
  {
    name: 'freed-past-horizon',
    says: 'what a commit freed is given out though readers see it',
    plan: PLANS.full,
    plant: shared =>
      eachClient(shared, client => {
        Object.defineProperty(client, 'horizon', { get: () => client.at, set: () => {}, configurable: true })
      }),
  },
  {
    name: 'pin-moves-first',
    says: 'a reader lets go of its commit when it hears of a later one',
    plan: PLANS.full,
    plant: shared =>
      eachClient(shared, client =>
        replace(client, 'hear', hear => (call, reply) => {
          hear(call, reply)
          if (reply !== 'nothing' && reply.kind === 'commits')
            shared.network.send(client, { kind: 'pin', at: reply.since + reply.commits.length })
        }),
      ),
  },
  {
    name: 'commit-passed-over',
    says: 'a reader adopts the last of the commits that it hears of, and counts them all',
    plan: PLANS.missed,
    plant: shared =>
      eachClient(shared, client =>
        replace(client, 'advance', advance => () => {
          const news = client['news']
          if (news?.kind === 'commits' && news.commits.length > 0)
            client['news'] = { ...news, commits: news.commits.map(() => news.commits[0]!) }
          advance()
        }),
      ),
  },
  {
    name: 'records-of-another-commit',
    says: 'records that come late are taken for those of the commit that it is at by now',
    plan: PLANS.full,
    plant: shared =>
      eachClient(shared, client =>
        replace(
          client,
          'hear',
          hear => (call, reply) => hear(call.kind === 'fetch' ? { ...call, at: client.at } : call, reply),
        ),
      ),
  },
  {
    name: 'reads-on',
    says: 'a reader whose time has run out goes on reading what it has here',
    plan: PLANS.cut,
    plant: shared =>
      eachClient(shared, client =>
        replace(
          client,
          'get',
          get => key => (client['rangeOf'](key) === undefined ? get(key) : client['records'].get(key)),
        ),
      ),
  },
  {
    name: 'waits-for-ever',
    says: 'a client that hears nothing of an outcome doesn’t ask again',
    plan: PLANS.lost,
    plant: shared =>
      eachClient(shared, client =>
        replace(client, 'hear', hear => (call, reply) => {
          if (call.kind !== 'outcome' || reply !== 'nothing') hear(call, reply)
        }),
      ),
  },
]

/** Those that are there, and those that come. */
function eachClient(shared: Shared, plant: (client: Shared['writers'][number]['store']) => void): void {
  replace(shared, 'made', made => client => {
    plant(client)
    made(client)
  })
}
