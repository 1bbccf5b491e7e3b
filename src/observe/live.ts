/**
 * Observes the running kernel: reads raw per-CPU buffers of an own tracing instance into an analysis.
 *
 *     poll: now -> read every CPU until it has no more -> merge up to `now` -> analysis -> sleep
 *
 * What an idle CPU hasn't said can't be known, so records are passed on only up to the time at which the poll began: by then every
 * buffer had been asked. Timestamps are CLOCK_MONOTONIC nanoseconds, as `process.hrtime` counts, so the two compare.
 *
 * To leave a busy machine alone only departures into state D come with a stack; the others tell when a holder sleeps
 * otherwise, is preempted, and runs again. Faults and file events stay off, for stacks say more at a fraction of the cost.
 *
 * Invariants
 *   LV1  The instance is removed on return, on an error and on abort.
 *   LV2  Memory is what one poll reads, and the analysis.
 */

import { existsSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { endianness } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AskDaemon } from '../analysis/index.ts'
import {
  type Account,
  Analysis,
  type AnalysisOptions,
  chainsOfState,
  type Inversion,
} from '../analysis/index.ts'
import { codeOf } from '../base/index.ts'
import {
  decoders,
  Kallsyms,
  KIND_OF_EVENT,
  Kind,
  Merge,
  readFormat,
  type Sink,
  TraceError,
  type Words,
} from '../trace/index.ts'
import { tasksNow } from './begun.ts'
import { closeAll, Instance } from './tracefs.ts'

/** Daemons of FUSE on this machine, which may tell what a request of theirs has waited for. */
export interface Daemons {
  /** What has been told of a request by now. */
  readonly told: AskDaemon
  /** Asks those of whose requests nothing was told. Settles when they have answered, or won't. */
  refresh(): Promise<void>
  /** Whether a thread only asks for this. */
  isOwn(tid: number): boolean
}

export interface LiveOptions extends Omit<AnalysisOptions, 'concerns' | 'onRequest' | 'askDaemon'> {
  /** If left out, none tells anything. */
  readonly daemons?: Daemons
  /** Only waits by these processes, or for their memory; all when null. */
  readonly pids: readonly number[] | null
  /** Stop after so long; null observes until aborted. */
  readonly seconds: number | null
  /** Of each CPU; what doesn't fit between two polls is lost, and told. */
  readonly bufferKb: number
  readonly signal: AbortSignal
  /** Called once tracing is on, with the waits that were under way then. */
  readonly onStarted?: (underWay: readonly Inversion[]) => void
}

const SILENT: Daemons = { told: () => undefined, refresh: async () => {}, isOwn: () => false }
const POLL_MS = 100
/** Daemons are asked for about this part of the time. */
const ASKING_PART = 0.2
const HOST: Words = { order: endianness() === 'BE' ? 'big' : 'little', longBytes: 8 }
const PAGE_BYTES = 4096
const LOCK_EVENTS = ['start_locking', 'acquire_returned', 'released'].map(
  name => `mmap_lock:mmap_lock_${name}`,
)
const BLOCK_EVENTS = ['block:block_rq_issue', 'block:block_rq_complete', 'block:block_rq_requeue']
const FUSE_EVENTS = ['fuse:fuse_request_send', 'fuse:fuse_request_end']
const LOCK_ENDS: ReadonlySet<Kind> = new Set([Kind.acquired, Kind.released])
const ASLEEP = 'prev_state == 2'

export async function observeLive(options: LiveOptions): Promise<Account> {
  const instance = Instance.create()
  try {
    const enabled = configure(instance, options.bufferKb)
    return await observe(instance, enabled, options)
  } finally {
    instance.remove()
  }
}

function configure(instance: Instance, bufferKb: number): string[] {
  instance.write('trace_clock', 'mono')
  instance.write('buffer_size_kb', String(bufferKb))
  const missing = LOCK_EVENTS.filter(event => !instance.enable(event))
  if (missing.length > 0)
    throw new TraceError(
      `this kernel has no ${missing[0]}; expected Linux 5.11 or later with mmap_lock tracepoints`,
      'ENOTSUP',
    )
  const others = [...BLOCK_EVENTS, ...FUSE_EVENTS].filter(event => instance.enable(event))
  const enabled = [...LOCK_EVENTS, ...others]
  if (instance.enable('sched:sched_switch', { trigger: `stacktrace if ${ASLEEP}` }))
    enabled.push('sched:sched_switch', 'ftrace:kernel_stack')
  if (instance.enable('sched:sched_waking')) enabled.push('sched:sched_waking')
  return enabled
}

async function observe(
  instance: Instance,
  enabled: readonly string[],
  options: LiveOptions,
): Promise<Account> {
  const byId = decoders(
    enabled.map(event => readFormat(instance.format(event))),
    new Kallsyms(readFileSync('/proc/kallsyms', 'latin1')),
    HOST,
  )
  const wanted = options.pids === null ? null : new Set(options.pids.flatMap(threadsOf))
  const ownMms = new Set<string>()
  const pidsOf = new Set(options.pids?.map(pid => `of process ${pid}`))
  // With its last process gone there is nothing left to observe.
  const isAlive = () => options.pids === null || options.pids.some(pid => existsSync(`/proc/${pid}`))
  const { daemons = SILENT } = options
  const untold: (() => Inversion)[] = []
  /** Tells the waits for requests that have ended, when the daemons have said why. */
  let tellingFrom = 0
  const tellRequests = async () => {
    const began = now()
    const ended = untold.splice(0)
    for (const tell of ended) tell()
    await daemons.refresh()
    for (const tell of ended) options.onInversion?.(tell())
    tellingFrom = now() + (now() - began) / ASKING_PART
  }
  const analysis = new Analysis({
    ...options,
    askDaemon: daemons.told,
    onRequest: tell => untold.push(tell),
    recorded: new Set(enabled.flatMap(event => KIND_OF_EVENT.get(event.split(':')[1]!) ?? [])),
    concerns: ({ tid }, mm) =>
      !daemons.isOwn(tid) &&
      (wanted === null || wanted.has(tid) || ownMms.has(mm) || (mm !== '' && pidsOf.has(mm))),
  })
  const take: Sink = record => {
    // A process writes only its own mm's lock, but for a child's while forking, which waits for nobody.
    if (wanted?.has(record.tid) && LOCK_ENDS.has(record.kind) && record.write) ownMms.add(record.mm)
    analysis.take(record)
  }
  const buffers = instance.openBuffers()
  try {
    const merge = new Merge(
      buffers.map(({ cpu, file }) => ({ cpu, next: () => readPage(file) })),
      byId,
      commsNow(),
      take,
      HOST,
    )
    instance.write('tracing_on', '1')
    const seen = tasksNow()
    for (const task of seen) analysis.see(task)
    options.onStarted?.(
      chainsOfState(seen).filter(
        ({ waiter, chain }) =>
          wanted === null ||
          wanted.has(waiter.tid) ||
          pidsOf.has(waiter.mm) ||
          chain.some(link => wanted.has(link.tid)),
      ),
    )
    const end = options.seconds === null ? Number.POSITIVE_INFINITY : now() + options.seconds * 1e9
    let telling: Promise<void> | undefined
    while (!options.signal.aborted && now() < end && isAlive()) {
      merge.until(now())
      if (untold.length > 0 && now() >= tellingFrom)
        telling ??= tellRequests().finally(() => {
          telling = undefined
        })
      const leftMs = Math.min(POLL_MS, Math.max(0, (end - now()) / 1e6))
      await sleep(leftMs, undefined, { signal: options.signal }).catch(ignoreAbort)
    }
    instance.write('tracing_on', '0')
    merge.until(Number.POSITIVE_INFINITY)
    await telling
    analysis.openRequests()
    await tellRequests()
  } finally {
    closeAll(buffers)
  }
  return analysis.finish()
}

function readPage(file: number): Buffer | null {
  const page = Buffer.allocUnsafe(PAGE_BYTES)
  try {
    const length = readSync(file, page, 0, page.length, null)
    return length === 0 ? null : page.subarray(0, length)
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') return null
    throw error
  }
}

/** The threads of a process, at the beginning; a process that isn't there is said so. */
function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number)
  } catch {
    throw new TraceError(`there is no process ${pid}; expected the id of a running process`, 'ESRCH')
  }
}

/** Names of the tasks alive now; those born later name themselves by being woken or switched out. */
function commsNow(): Map<number, string> {
  const comms = new Map<number, string>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      for (const tid of readdirSync(`/proc/${name}/task`))
        comms.set(Number(tid), readFileSync(`/proc/${name}/task/${tid}/comm`, 'utf8').trimEnd())
    } catch {
      // It has ended since the folder was listed; its name isn't needed.
    }
  }
  return comms
}

const now = (): number => Number(process.hrtime.bigint())

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error
}
