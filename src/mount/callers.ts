/**
 * Whose request it is: a group of the machine for each control group of the host that asks, below the mount's own, nested as they are.
 * What is read, written and kept in memory for a program is charged to it, and waits by its limits.
 *
 *     thread of the request -> /proc/THREAD/cgroup -> its group: limits as told for the path, else as the kernel's files have them
 *
 * Invariants
 *   CW1 A request whose caller isn't known, or comes when there are GROUPS_MAX groups, is the mount's own.
 *   CW2 What is known of a thread or of limits is looked at again after KNOWN_FOR: numbers of threads come again, and limits change.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { FaultlineError, type Group } from '../calls/index.ts'
import { mountinfo, parseMountinfo } from '../fuse/index.ts'
import type { Settings } from '../group/index.ts'

const GROUPS_MAX = 256
/** Milliseconds. */
const KNOWN_FOR = 1000
const THREADS_MAX = 4096
/** What of a control group's files holds on a mount too. */
const KEYS = ['memory.high', 'memory.max', 'io.weight', 'io.max'] as const

/** Where control groups are, and threads. */
export interface Host {
  /** The text of /proc/THREAD/cgroup; undefined: it is gone. */
  groupsOf(thread: number): string | undefined
  /** A file of a control group; undefined: there is none. */
  limitOf(path: string, key: string): string | undefined
}

interface Known {
  readonly group: Group
  /** What its limits are set to, by key. */
  readonly limits: Map<string, string>
  lookedAt: number
}

export class Callers {
  private readonly mount: Group
  private readonly told: ReadonlyMap<string, Settings>
  private readonly host: Host
  private readonly clock: () => number
  private readonly groups = new Map<string, Known>()
  private readonly threads = new Map<number, { readonly group: Group; readonly until: number }>()

  /** `told`: limits by paths of control groups, in place of what the kernel's files say. `clock`: milliseconds. */
  constructor(
    mount: Group,
    told: ReadonlyMap<string, Settings>,
    host: Host = hostHere(),
    clock: () => number = () => performance.now(),
  ) {
    this.mount = mount
    this.told = told
    this.host = host
    this.clock = clock
    // What is wrong with a limit is said when it is mounted.
    for (const path of told.keys()) this.below(path, clock())
  }

  groupOf(thread: number): Group {
    const now = this.clock()
    const before = this.threads.get(thread)
    if (before !== undefined && before.until > now) return before.group
    if (this.threads.size >= THREADS_MAX) this.threads.clear()
    const group = this.find(thread, now)
    this.threads.set(thread, { group, until: now + KNOWN_FOR })
    return group
  }

  private find(thread: number, now: number): Group {
    const text = thread === 0 ? undefined : this.host.groupsOf(thread)
    // cgroup2's line; the others are of the hierarchies before it.
    const path = /^0::(\/.*)$/m.exec(text ?? '')?.[1]
    return path === undefined ? this.mount : this.below(path, now)
  }

  /** The group of a path, made with those above it; the nearest above it if there are too many. */
  private below(path: string, now: number): Group {
    let at = ''
    let group = this.mount
    for (const name of path.split('/').filter(part => part !== '')) {
      at += `/${name}`
      const known = this.groups.get(at) ?? this.make(at, name, group)
      if (known === undefined) return group
      if (now - known.lookedAt >= KNOWN_FOR) this.limit(at, known, now)
      group = known.group
    }
    return group
  }

  private make(path: string, name: string, above: Group): Known | undefined {
    if (this.groups.size >= GROUPS_MAX) return undefined
    const group = above.group(name, this.told.get(path) ?? {})
    const known = { group, limits: new Map<string, string>(), lookedAt: -Infinity }
    this.groups.set(path, known)
    return known
  }

  private limit(path: string, known: Known, now: number): void {
    known.lookedAt = now
    if (this.told.has(path)) return
    for (const key of KEYS) {
      const text = this.host.limitOf(path, key)
      if (text === undefined || known.limits.get(key) === text) continue
      known.limits.set(key, text)
      // One line a disk.
      for (const line of text.split('\n').filter(each => each !== '')) set(known.group, key, line)
    }
  }
}

/** A disk that the mount can't know, or a word of a newer kernel, sets no limit. */
function set(group: Group, key: string, line: string): void {
  try {
    group.set(key, line)
  } catch (error) {
    if (!(error instanceof FaultlineError)) throw error
  }
}

function hostHere(): Host {
  const root = parseMountinfo(mountinfo()).find(({ type }) => type === 'cgroup2')?.target
  return {
    groupsOf: thread => text(`/proc/${thread}/cgroup`),
    limitOf: (path, key) => (root === undefined ? undefined : text(join(root, path, key))),
  }
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
