/**
 * A campaign of kills: a process works on a volume, and is killed (SIGKILL) at a random moment; then the check must find nothing,
 * and nothing that a sync promised may be missing. And again, on the same volume.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { Prng } from '../../base/index.ts'
import { FaultlineError } from '../../calls/index.ts'
import { Machine } from '../../map/index.ts'
import { nextOperation, type Operation } from './operations.ts'
import { Promises } from './promises.ts'
import { filesOf, TornPage } from './volume-files.ts'

export interface Campaign {
  readonly seed: number
  readonly kills: number
  /** Where its volume is made; it is removed at the end. */
  readonly directory: string
  readonly signal?: AbortSignal
  readonly progress?: (kills: number) => void
}

export interface KillReport {
  readonly kills: number
  /** Operations that the victims began, and syncs that they promised. */
  readonly operations: number
  readonly promises: number
  readonly seconds: number
  /** What was wrong after which kill; null: nothing. */
  readonly failure: {
    readonly kill: number
    readonly why: string
    readonly last: Operation | undefined
  } | null
}

const VICTIM = join(import.meta.dirname, `victim${import.meta.filename.slice(-3)}`)
const VOLUME_BYTES = 4 * 2 ** 20
/** A victim is killed after so many operations at most; fewer than its stamps may number. */
const OPERATIONS_MAX = 250
const STAMPS = 1000

export async function killCampaign({
  seed,
  kills,
  directory,
  signal,
  progress,
}: Campaign): Promise<KillReport> {
  const start = performance.now()
  const path = fs.mkdtempSync(join(directory, 'faultline-kill-'))
  const volume = join(path, 'volume')
  const prng = new Prng(seed)
  let operations = 0
  let promises = 0
  let failure: KillReport['failure'] = null
  let kill = 0
  try {
    await makeVolume(volume)
    let expected = new Promises(new Map())
    while (kill < kills && failure === null) {
      signal?.throwIfAborted()
      kill++
      const round = { seed: prng.u32(), stamp: kill * STAMPS, after: 1 + prng.below(OPERATIONS_MAX) }
      const told = await killOne(volume, round)
      operations += told.begun
      const { last, syncs } = follow(expected, round, told)
      promises += syncs
      const { why, found } = await look(volume, expected)
      if (why !== undefined) failure = { kill, why, last }
      else expected = new Promises(found)
      progress?.(kill)
    }
  } finally {
    if (failure === null) fs.rmSync(path, { recursive: true, force: true })
  }
  if (failure !== null) failure = { ...failure, why: `${failure.why} (the volume is left at ${volume})` }
  return { kills: kill, operations, promises, seconds: (performance.now() - start) / 1000, failure }
}

interface Round {
  readonly seed: number
  readonly stamp: number
  /** It is killed when it has told of so many operations. */
  readonly after: number
}

interface Told {
  readonly begun: number
  readonly done: number
}

async function makeVolume(path: string): Promise<void> {
  const machine = await Machine.start({ memory: '1 MiB' })
  try {
    await machine.createVolume(path, { size: VOLUME_BYTES })
  } finally {
    await machine.close()
  }
}

/** Lets a victim work, and kills it. */
async function killOne(volume: string, { seed, stamp, after }: Round): Promise<Told> {
  const child: ChildProcess = spawn(process.execPath, [VICTIM, volume, String(seed), String(stamp)], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  let complaint = ''
  child.stderr!.on('data', (text: Buffer) => {
    complaint += text
  })
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  let begun = 0
  let done = 0
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const number = Number(line.slice(1))
    if (line[0] === 'b') begun = number
    else done = number
    if (begun === after) child.kill('SIGKILL')
  }
  const [status, signal] = await ended
  if (signal !== 'SIGKILL')
    throw new Error(`the victim ended by itself, with ${status ?? signal}; it said: ${complaint.trim()}`)
  return { begun, done }
}

/** What the victim did, and what it has promised. */
function follow(expected: Promises, { seed, stamp }: Round, { begun, done }: Told) {
  const prng = new Prng(seed)
  let last: Operation | undefined
  let syncs = 0
  for (let n = 1; n <= begun; n++) {
    last = nextOperation(prng, expected.now)
    expected.begun(last, stamp + n)
    if (n > done) continue
    expected.done(last)
    if (last.kind === 'sync') syncs++
  }
  return { last, syncs }
}

async function look(path: string, expected: Promises) {
  const machine = await Machine.start({ memory: '1 MiB' })
  try {
    const volume = await machine.openVolume(path)
    const { wrong } = await volume.check()
    try {
      const found = await filesOf(volume)
      return { why: wrong[0] ?? expected.wrong(found), found }
    } catch (error) {
      if (!(error instanceof TornPage || error instanceof FaultlineError)) throw error
      return { why: wrong[0] ?? error.message, found: new Map() }
    }
  } finally {
    await machine.close()
  }
}
