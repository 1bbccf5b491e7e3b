/**
 * Walks through every state of machines that share a store: each choice of each state, once.
 *
 * Invariants
 *   SHW1 Two states with one key go on alike: the key has all that matters of what is in reach.
 */
import type { Errno } from '../base/index.ts'
import { Rewinder, type Snapshot } from '../rewind/index.ts'
import type { Change, NetworkedStore, Overlay } from '../volume/index.ts'
import { atTheEnd, PROPERTIES } from './properties.ts'
import { Shared, type SharedPlan, type Writer } from './shared.ts'

export interface Walk {
  readonly states: number
  /** What was broken first, and how one comes there. */
  readonly broken: (Broken & { readonly schedule: readonly string[] }) | undefined
}

interface Broken {
  readonly property: string
  readonly says: string
}

/** A state that was found, and how one comes there first. */
interface Found {
  readonly from: number
  readonly by: string
  place: Snapshot | undefined
}

/** Ends at the first state in which something is wrong: nearest states come first. */
export function walk(plan: SharedPlan, plant?: (shared: Shared) => void): Walk {
  const shared = new Shared(plan, plant)
  const rewinder = new Rewinder([shared], [plan])
  const known = new Set([keyOf(shared)])
  const found: Found[] = [{ from: -1, by: '', place: rewinder.save() }]
  for (const [from, state] of found.entries()) {
    const place = state.place!
    state.place = undefined
    rewinder.restore(place)
    for (const choice of shared.choices()) {
      const by = wordsFor(shared, choice)
      const failed = take(shared, choice)
      const key = keyOf(shared)
      if (failed !== undefined || !known.has(key)) {
        known.add(key)
        found.push({ from, by, place: rewinder.save() })
        const broken = failed ?? brokenIn(shared)
        if (broken !== undefined)
          return { states: found.length, broken: { ...broken, schedule: scheduleOf(found) } }
      }
      rewinder.restore(place)
    }
  }
  return { states: found.length, broken: undefined }
}

function take(shared: Shared, choice: string): Broken | undefined {
  try {
    shared.take(choice)
    return undefined
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return { property: 'assertion', says: error.message }
  }
}

/** The way to the last state that was found. */
function scheduleOf(found: readonly Found[]): string[] {
  const schedule: string[] = []
  for (let at = found.length - 1; at > 0; at = found[at]!.from) schedule.unshift(found[at]!.by)
  return schedule
}

function wordsFor(shared: Shared, choice: string): string {
  const [, verb, at] = /^(\D+?)(?: (\d+))?$/.exec(choice)!
  return verb !== 'move' && verb !== 'give up'
    ? choice
    : `${verb}: ${shared.said(shared.network.messages[Number(at)]!)}`
}

function brokenIn(shared: Shared): Broken | undefined {
  for (const [property, check] of Object.entries(PROPERTIES)) {
    const says = check(shared)
    if (says !== undefined) return { property, says }
  }
  if (shared.choices().length > 0) return undefined
  const says = atTheEnd(shared)
  return says === undefined ? undefined : { property: 'everything ends', says }
}

function keyOf(shared: Shared): string {
  const { server, network, told, writers, reader, blocks, left } = shared
  const which = (changes: readonly Change[]) => told.findIndex(each => each.changes === changes)
  return JSON.stringify([
    [server.epoch, server.holder, server.horizon, server.logStart, [...server.pins]],
    server.log.map(({ epoch, changes }) => [epoch, which(changes), changesText(changes)]),
    network.messages.map(({ client, call, reply, isAwaited }) => [
      client.name,
      call.kind,
      Object.values(call).filter(value => typeof value !== 'object'),
      call.kind === 'commit' ? [which(call.changes), call.basis.epoch, call.basis.after] : '',
      call.kind === 'outcome' ? [call.basis.epoch, call.basis.after] : '',
      reply === undefined
        ? ''
        : JSON.stringify(reply, (_key, value) => (value instanceof Uint8Array ? value.join() : value)),
      isAwaited,
    ]),
    told.map(({ changes, ticket }) => [changesText(changes), errnoOf(ticket)]),
    writers.map(writerKey),
    reader === undefined ? '' : storeKey(reader),
    blocks,
    Object.values(left),
  ])
}

function writerKey({ store, overlay, space, commits, task }: Writer): unknown {
  const { args } = task!
  return [
    storeKey(store),
    layersOf(overlay),
    space === undefined ? '' : [space['epoch'], space['cursor'], space['promised']],
    commits === undefined ? '' : [commits.broken, commits['running'], errnoOf(commits['next'])],
    [args.left, errnoOf(args.commit), args.commit === commits?.['next'], task!.state, task!.errno],
    task!.wait?.ticket.what ?? '',
  ]
}

function layersOf(overlay: Overlay): unknown {
  const sealed = overlay['sealed'] ?? []
  return [layerText(overlay['running']), layerText(sealed), [...overlay['doubtful']]]
}

function layerText(layer: Iterable<readonly [string, Uint8Array | null]>): string {
  return [...layer].map(([key, value]) => `${key}=${value?.join('.')}`).join()
}

function storeKey(store: NetworkedStore): unknown {
  const news = store['news']
  return [
    [store.at, store.horizon, store.lease.epoch, store.lease.lost, errnoOf(store.entered)],
    store['here'].map(({ start, end }) => `${start}-${end}`),
    layerText(store['records']),
    [...store['coming'].keys()],
    store['pending'] === undefined ? '' : [store['pending'].basis.epoch, store['pending'].basis.after],
    news === undefined ? '' : news.kind === 'commits' ? [news.since, news.commits.length] : news.at,
  ]
}

function errnoOf(ticket: { readonly complete: boolean; readonly errno: Errno } | undefined): Errno | string {
  if (ticket === undefined) return 'none'
  return ticket.complete ? ticket.errno : 'open'
}

const TEXTS = new WeakMap<readonly Change[], string>()

function changesText(changes: readonly Change[]): string {
  let text = TEXTS.get(changes)
  if (text === undefined) {
    text = changes.map(({ key, value }) => `${key}=${value?.join('.')}`).join()
    TEXTS.set(changes, text)
  }
  return text
}
