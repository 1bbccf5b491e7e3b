/**
 * io.latency against a kernel's own decisions: recordings of blk-iolatency of Linux 6.1 in a virtual machine, event by
 * event. The same bios, asked for and ended at the same times, must lead to the same cookies, depths and delays here.
 *
 * The four recordings in fixtures/ begin with the device and its groups, and hold the decisions and what they are made
 * from, their times from the first event on. Longer ones can be given as directories with trace.txt(.gz) and setup.txt:
 *
 *     FAULTLINE_IOLATENCY=DIRECTORY[:DIRECTORY…] node --conditions=faultline-source --test src/io/latency-replay.test.ts
 *
 *     iolask, iolgot   a bio is submitted, and has its slot     iolset           a target is set
 *     ioldone          it has ended, and when it was submitted  iolscale         a group has seen the cookie
 *     ioladd, iolowed  a delay, and what is owed then           iolwinend, ioltimer   the cookie after a window, a tick
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { type GroupId, GroupTree, type Ns, ROOT } from '../base/index.ts'
import type { Bio } from './bio.ts'
import { COOKIE, Latency } from './latency.ts'

const FIXTURES = path.join(import.meta.dirname, 'fixtures')
const EVENT = /\b(iol(?:ask|got|done|scale|winend|timer|set|add|owed)) ([^\n]*)/g
/** The kernel's UINT_MAX, as the recorder prints it. */
const NO_LIMIT = -1

interface Event {
  readonly kind: string
  readonly at: Ns
  readonly fields: Readonly<Record<string, string>>
}

interface Recording {
  readonly name: string
  readonly nrRequests: number
  readonly rotational: boolean
  /** The paths of groups by the kernel's numbers. */
  readonly paths: ReadonlyMap<string, string>
  readonly events: readonly Event[]
}

function recordingOf(name: string, setup: string, text: string): Recording {
  const events: Event[] = []
  for (const [, kind, words] of text.matchAll(EVENT)) {
    const fields: Record<string, string> = {}
    let before = ''
    for (const [, key, value] of words!.matchAll(/(\w+)=(-?\w+)/g)) {
      // "depth=64 to=32": before and after.
      fields[key === 'to' ? `${before}To` : key!] = value!
      if (key !== 'to') before = key!
    }
    events.push({ kind: kind!, at: Number(fields['t']), fields })
  }
  // Two processors write into one trace.
  events.sort((a, b) => a.at - b.at)
  return {
    name,
    nrRequests: Number(/nr_requests=(\d+)/.exec(setup)![1]),
    rotational: /rotational=1/.test(setup),
    paths: new Map([...setup.matchAll(/group (\S+) id (\d+)/g)].map(([, group, id]) => [id!, group!])),
    events,
  }
}

function fixture(file: string): Recording {
  const text = brotliDecompressSync(fs.readFileSync(path.join(FIXTURES, file))).toString('latin1')
  return recordingOf(path.basename(file, '.txt.br'), text, text)
}

function directory(name: string): Recording {
  const packed = path.join(name, 'trace.txt.gz')
  const text = fs.existsSync(packed)
    ? gunzipSync(fs.readFileSync(packed)).toString('latin1')
    : fs.readFileSync(path.join(name, 'trace.txt'), 'latin1')
  return recordingOf(path.basename(name), fs.readFileSync(path.join(name, 'setup.txt'), 'latin1'), text)
}

/** What was decided, in order: cookies of the root, and for each group its depths and the delays that it owed. */
interface Decisions {
  readonly cookies: number[]
  readonly depths: Map<string, string[]>
  readonly owed: string[]
}

const none = (): Decisions => ({ cookies: [0], depths: new Map(), owed: [] })

function add<T>(list: T[], value: T): void {
  if (list.at(-1) !== value) list.push(value)
}

function depthWords(depth: number, users: number): string {
  if (users > 0) return `1, delay ${users}`
  return depth === NO_LIMIT || depth === Infinity ? 'no limit' : String(depth)
}

/** Feeds what the kernel was asked for to ours. The tick comes by our own timer, as it does in the engine. */
function play({ nrRequests, rotational, paths, events }: Recording): { kernel: Decisions; ours: Decisions } {
  const tree = new GroupTree()
  const latency = new Latency(tree, { nrRequests, rotational })
  const ids = new Map<string, GroupId>()
  const [kernel, ours] = [none(), none()]
  /** A bio asks and ends at each level; ours asks at all of them at once, by its own group. */
  const leaves = new Map<string, string>()

  const parentOf = (cg: string) => {
    const above = path.dirname(paths.get(cg) ?? '')
    return [...paths].find(([, each]) => each === above)?.[0]
  }
  const groupOf = (cg: string): GroupId => {
    let id = ids.get(cg)
    if (id === undefined) {
      const parent = parentOf(cg)
      id = tree.create(parent === undefined ? ROOT : groupOf(parent))
      ids.set(cg, id)
    }
    return id
  }
  const depthsIn = (decisions: Decisions, cg: string) => {
    const list = decisions.depths.get(cg) ?? ['no limit']
    decisions.depths.set(cg, list)
    return list
  }
  const look = (at: Ns) => {
    add(ours.cookies, latency.cookieOf(ROOT) - COOKIE)
    for (const [cg, group] of ids) {
      const { depth, users } = latency.report(group, at)
      add(depthsIn(ours, cg), depthWords(depth, users))
    }
  }

  for (const { kind, at, fields } of events) {
    while (latency.next <= at) {
      latency.tick(latency.next)
      look(at)
    }
    const cg = fields['cg'] ?? ''
    const bio = fields['bio'] ?? ''
    switch (kind) {
      case 'iolset':
        latency.setTarget(groupOf(cg), Number(fields['new']), at)
        if (parentOf(cg) === undefined) add(kernel.cookies, 0)
        look(at)
        break
      case 'iolask':
        if (leaves.has(bio)) break
        leaves.set(bio, cg)
        latency.fullLevel(groupOf(cg), at)
        look(at)
        break
      case 'iolgot':
        if (parentOf(cg) === undefined) latency.started({ group: groupOf(leaves.get(bio) ?? cg) } as Bio, at)
        break
      case 'ioldone': {
        const leaf = leaves.get(bio) ?? cg
        if (parentOf(cg) === undefined) leaves.delete(bio)
        if (leaf !== cg) break
        const group = groupOf(cg)
        const issuer = fields['root'] === '1' ? ROOT : group
        latency.ended({ group, issuer, queuedAt: Number(fields['start']) } as Bio, at)
        look(at)
        break
      }
      case 'ioladd':
      case 'iolowed': {
        const group = groupOf(cg)
        if (kind === 'iolowed') latency.delayOf(group, at)
        const { owed, users } = latency.report(group, at)
        kernel.owed.push(`${at} group ${cg} owes ${fields['owed']} by ${fields['use']}`)
        ours.owed.push(`${at} group ${cg} owes ${owed} by ${users}`)
        break
      }
      case 'iolscale':
        add(depthsIn(kernel, cg), depthWords(Number(fields['depthTo']), Number(fields['useTo'])))
        break
      case 'iolwinend':
        if (parentOf(cg) === undefined) add(kernel.cookies, Number(fields['cookie']))
        break
      case 'ioltimer':
        if (fields['parent'] === '1') add(kernel.cookies, Number(fields['cookieTo']))
        break
    }
  }
  return { kernel, ours }
}

const more = (process.env['FAULTLINE_IOLATENCY'] ?? '').split(':').filter(name => name !== '')
const recordings: readonly (() => Recording)[] = [
  ...fs.readdirSync(FIXTURES).map(file => () => fixture(file)),
  ...more.map(name => () => directory(name)),
]
const names = [...fs.readdirSync(FIXTURES).map(file => path.basename(file, '.txt.br')), ...more]

for (const [at, read] of recordings.entries())
  test(`decides as the kernel did: ${names[at]}`, () => {
    const { kernel, ours } = play(read())
    assert.ok(kernel.cookies.length > 5, 'the recording holds decisions')
    assert.deepEqual(ours.cookies, kernel.cookies)
    for (const [cg, depths] of kernel.depths) assert.deepEqual(ours.depths.get(cg), depths, `group ${cg}`)
    assert.deepEqual(ours.owed, kernel.owed)
  })
