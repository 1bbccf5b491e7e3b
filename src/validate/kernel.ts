/** An experiment on the kernel that runs: how long the fault, the call and each reader took, in milliseconds. */
import fs from 'node:fs'
import {
  type Filesystem,
  MADVICE,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  type SystemCall,
  type Tracee,
  Tracer,
} from '../differential/index.ts'
import { PROT_READ } from '../linux/index.ts'
import {
  CALL_AT,
  type Experiment,
  PAGE_BYTES,
  PAGES,
  READ_AT,
  WAIT_MS,
  type WriterName,
} from './experiments.ts'
import { ANSWER, BESIDE, ELSEWHERE, mapPaths, openIn, type Scene, sceneOf, TARGET } from './scenes.ts'

const POLL_MS = 0.2
/** A clock that stood still for longer was somebody else's turn. */
const LATE_MS = 5
const TRIES = 4
/** So long after the wait everybody has ended, or never will. */
const PATIENCE_MS = 10_000
const PRIVATE = 2
const ANONYMOUS = 0x20
const STACK_BYTES = 2 ** 20

/** What was seen, in milliseconds. */
export interface Seen {
  /** When each of those who are timed began, from what makes the fault wait on. */
  readonly beganAt: readonly number[]
  readonly times: readonly number[]
  /** When the experiment let the fault go; undefined: it didn't have to. */
  readonly releasedAt: number | undefined
  /** When its device was limited: before the beginning. */
  readonly limitedAt: number | undefined
}

/** Somebody who is timed: what they begin, and when. */
interface Actor {
  readonly pid: number
  readonly at: number
  readonly begins: () => void
}

/** Once more if somebody else had the processor meanwhile, a few times; what was disturbed least. */
export function onKernel(filesystem: Filesystem, experiment: Experiment): Seen {
  let best: Run | undefined
  for (let tries = 0; tries < TRIES && (best === undefined || best.lateMs > LATE_MS); tries++) {
    const run = once(filesystem, experiment)
    if (best === undefined || run.lateMs < best.lateMs) best = run
  }
  return best!.seen
}

interface Run {
  readonly seen: Seen
  /** The longest that the clock of the experiment stood still. */
  readonly lateMs: number
  readonly child: number | undefined
}

function once(filesystem: Filesystem, experiment: Experiment): Run {
  const tracer = new Tracer()
  // What is timed is the kernel's locks, not whose turn it is on a busy computer.
  tracer.precedence('before all others')
  const scene = sceneOf(experiment.fault, tracer, filesystem)
  const others: Tracee[] = []
  try {
    scene.prepare()
    const run = measure(scene, castOf(scene, experiment, others))
    if (run.child !== undefined) tracer.kill(run.child)
    return run
  } finally {
    tracer.precedence('like others')
    scene.end()
    for (const { pid } of others) tracer.kill(pid)
    tracer.kill(scene.victim.pid)
    scene.leave()
  }
}

interface Cast {
  readonly actors: readonly Actor[]
  /** Who forks. */
  readonly forker: number | undefined
}

function castOf(scene: Scene, { writer, readers }: Experiment, others: Tracee[]): Cast {
  const { tracer, victim } = scene
  const actors: Actor[] = [{ pid: victim.pid, at: 0, begins: () => scene.fault() }]
  let forker: number | undefined
  if (writer !== 'none') {
    const { pid } = caller(scene)
    if (writer === 'fork') forker = pid
    const [name, args] = CALLS[writer]
    actors.push({ pid, at: CALL_AT, begins: () => tracer.begins(pid, name, args) })
  }
  for (const file of readers) {
    const reader = tracer.begin()
    others.push(reader)
    mapPaths(reader)
    const fd = openIn(reader, `/proc/${victim.pid}/${file}`, fs.constants.O_RDONLY)
    const { pid } = reader
    const begins = () => tracer.begins(pid, 'read', [fd, ANSWER.address, ANSWER.bytes])
    actors.push({ pid, at: READ_AT, begins })
  }
  return { actors, forker }
}

function caller(scene: Scene): Tracee {
  const thread = scene.victim.thread()
  scene.admit(thread)
  return thread
}

function measure(scene: Scene, { actors, forker }: Cast): Run {
  const { tracer } = scene
  const sleep = new Int32Array(new SharedArrayBuffer(4))
  const began = new Map<number, number>()
  const took = new Map<number, number>()
  const coming = [...actors]
  let releasedAt: number | undefined
  const before = performance.now()
  scene.begin()
  const start = performance.now()
  let lateMs = 0
  for (let last = start; took.size < actors.length; ) {
    const now = performance.now()
    lateMs = Math.max(lateMs, now - last)
    last = now
    while (coming.length > 0 && now - start >= coming[0]!.at) {
      const { pid, begins } = coming.shift()!
      began.set(pid, performance.now())
      begins()
    }
    if (scene.releaseAt !== undefined && releasedAt === undefined && now - start >= scene.releaseAt) {
      scene.release()
      releasedAt = performance.now() - before
    }
    for (let pid = tracer.ended(); pid !== undefined; pid = tracer.ended())
      if (began.has(pid)) took.set(pid, performance.now() - began.get(pid)!)
    if (now - start > WAIT_MS + PATIENCE_MS)
      throw new Error(`somebody still waits ${PATIENCE_MS} ms after the wait should have ended`)
    Atomics.wait(sleep, 0, 0, POLL_MS)
  }
  const pids = actors.map(({ pid }) => pid)
  return {
    seen: {
      beganAt: pids.map(pid => began.get(pid)! - before),
      times: pids.map(pid => took.get(pid)!),
      releasedAt,
      limitedAt: scene.limitedAt === undefined ? undefined : scene.limitedAt - before,
    },
    lateMs,
    child: forker === undefined ? undefined : tracer.resultOf(forker),
  }
}

const LENGTH = PAGES * PAGE_BYTES

const CALLS = {
  fork: ['fork', []],
  munmap: ['munmap', [TARGET, LENGTH]],
  mprotect: ['mprotect', [TARGET, LENGTH, PROT_READ]],
  mremap: ['mremap', [TARGET, LENGTH, LENGTH, MREMAP_MAYMOVE | MREMAP_FIXED, ELSEWHERE]],
  madvise: ['madvise', [TARGET, LENGTH, MADVICE.random]],
  'munmap-beside': ['munmap', [BESIDE, LENGTH]],
  'mprotect-beside': ['mprotect', [BESIDE, LENGTH, PROT_READ]],
  // What pthread_create asks of the space: a stack.
  thread: ['mmap', [0, STACK_BYTES, 3, PRIVATE | ANONYMOUS, -1, 0]],
} as const satisfies Record<Exclude<WriterName, 'none'>, readonly [SystemCall, readonly number[]]>
