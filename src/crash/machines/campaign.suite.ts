/**
 * A campaign against a volume of many machines: writers are killed, stopped and overtaken, the database is killed and restarted, the
 * bucket refuses and loses answers, all while somebody writes; and readers look.
 *
 *     kill      SIGKILL at a random moment; the lease is taken away, and the next writer goes on
 *     stop      SIGSTOP at a random moment; the next writer takes over and promises; then the first is continued, and must hear ESTALE
 *     database  PostgreSQL is killed and restarted: the writer goes on by itself
 *     bucket    it refuses for a while: the writer goes on by itself
 *     expiry    SIGSTOP until its lease has run out; the next writer takes over by itself and promises; the first must hear ESTALE
 *     sleep     SIGSTOP for longer than its lease, and nobody comes: the writer goes on by itself
 *     minute    the bucket refuses for a minute: the writer goes on by itself
 *
 * Garbage is collected all the time: by one that a moment ends in the middle as often as not.
 *
 * After each, and in between: a reader finds one round, whole, of one writer, and none before the last that was promised.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { startFauxqs } from 'fauxqs'
import { Prng } from '../../base/index.ts'
import { FaultlineError } from '../../calls/index.ts'
import { PostgresServer } from '../../machines/postgres-server.fixture.ts'
import { Machine } from '../../map/index.ts'
import { collectShared, fenceShared } from '../../volumes/index.ts'
import { RefusingProxy } from './refusing-proxy.suite.ts'
import { begin, wholeRound } from './rounds.suite.ts'

export const TURNS = ['kill', 'stop', 'database', 'bucket'] as const
/** These wait for clocks: a campaign has them when it is asked for them. */
export const LONG_TURNS = ['expiry', 'sleep', 'minute'] as const
export type Turn = (typeof TURNS)[number] | (typeof LONG_TURNS)[number]

export interface Campaign {
  /** Of the moments. */
  readonly seed: number
  readonly plan: readonly Turn[]
  readonly progress?: (turns: number) => void
}

export interface CampaignReport {
  readonly turns: Readonly<Partial<Record<Turn, number>>>
  /** Rounds that writers promised, and looks of readers. */
  readonly promised: number
  readonly looks: number
  readonly refused: number
  readonly answersLost: number
  /** Segments that were rewritten, or that nothing of lived. */
  readonly collected: number
  readonly seconds: number
}

const WRITER = join(import.meta.dirname, 'writer.suite.ts')
const NAME = 'campaign'
/** Milliseconds that a writer works before something happens to it. */
const MOMENT = 400
/** Milliseconds after which a lease that isn't renewed has run out, and then some. */
const LEASE = 12_000
const MINUTE = 60_000
/** Milliseconds in which something must go on again. */
const PATIENCE = 60_000

class Writer {
  promised = 0
  /** The code of the error that it ended with. */
  over: string | undefined
  readonly ended: Promise<unknown>
  private readonly child: ChildProcess
  private complaint = ''
  private heard: (() => void) | undefined
  private isOpen = false

  constructor(meta: string, endpoint: string) {
    this.child = spawn(
      process.execPath,
      [...process.execArgv.filter(word => word.startsWith('--cond')), WRITER, meta, endpoint, NAME],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    this.ended = once(this.child, 'close')
    this.child.stderr!.on('data', (text: Buffer) => {
      this.complaint += text
    })
    createInterface({ input: this.child.stdout! }).on('line', line => {
      if (line === 'o') this.isOpen = true
      if (line[0] === 's') this.promised = Number(line.slice(1))
      if (line[0] === 'e') this.over = line.slice(1)
      this.heard?.()
    })
  }

  /** Until it is open. */
  async opened(): Promise<void> {
    await this.until(() => this.isOpen, 'opens')
  }

  /** Until it has promised one round more. */
  async goesOn(): Promise<void> {
    const from = this.promised
    await this.until(() => this.promised > from, 'goes on')
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }

  /** Until it has ended by itself. */
  async end(): Promise<void> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE)
    await this.ended
    clearTimeout(timer)
  }

  private async until(is: () => boolean, what: string): Promise<void> {
    const late = AbortSignal.timeout(PATIENCE)
    while (!is()) {
      if (this.over !== undefined || late.aborted || this.child.exitCode !== null)
        throw new Error(`the writer never ${what}: ${this.over ?? ''} ${this.complaint}`)
      await Promise.race([
        new Promise<void>(resolve => {
          this.heard = resolve
        }),
        sleep(100),
      ])
    }
  }
}

export async function machinesCampaign({ seed, plan, progress }: Campaign): Promise<CampaignReport> {
  const start = performance.now()
  const prng = new Prng(seed)
  const count: Partial<Record<Turn, number>> = {}
  await using stack = new AsyncDisposableStack()
  const postgres = await PostgresServer.start()
  stack.defer(() => postgres.stop())
  const s3 = await startFauxqs({ port: 0, logger: false })
  stack.defer(() => s3.stop())
  s3.createBucket('bucket')
  const proxy = await RefusingProxy.start(s3.address)
  stack.defer(() => proxy.stop())
  const meta = postgres.address
  const place = { meta, endpoint: proxy.address }
  let promised = 0
  let looks = 0

  const inMachine = async <T>(act: (machine: Machine) => Promise<T>): Promise<T> => {
    const machine = await Machine.start({ memory: '8 MiB' })
    try {
      return await act(machine)
    } finally {
      await machine.close()
    }
  }
  /** A reader comes, sees a round, whole, and goes. */
  const look = async (writer: Writer | undefined) => {
    const known = Math.max(promised, writer?.promised ?? 0)
    const round = await inMachine(async machine => {
      const volume = await machine.openVolume(NAME, place)
      const seen = await wholeRound(machine, volume)
      await volume.close()
      return seen
    })
    looks++
    if (round < known) throw new Error(`round ${known} was promised, and a reader sees round ${round}`)
  }
  let collected = 0
  const collector = new AbortController()
  const collecting = async () => {
    while (!collector.signal.aborted) {
      const signal = AbortSignal.any([collector.signal, AbortSignal.timeout(1 + prng.below(2 * MOMENT))])
      try {
        const { thin, dead } = await collectShared(NAME, place, { how: 'collect', signal })
        collected += thin + dead
        await sleep(prng.below(MOMENT))
      } catch (error) {
        // The database was away, or the moment came.
        if (!(error instanceof FaultlineError)) throw error
      }
    }
  }
  const next = async () => {
    const writer = new Writer(meta, proxy.address)
    stack.defer(() => writer.kill())
    await writer.opened()
    await writer.goesOn()
    return writer
  }
  const turn = async (kind: Turn, writer: Writer): Promise<Writer> => {
    await sleep(prng.below(MOMENT))
    switch (kind) {
      case 'kill':
        await writer.kill()
        promised = Math.max(promised, writer.promised)
        await look(undefined)
        await fenceShared(NAME, meta)
        return next()
      case 'stop':
      case 'expiry': {
        writer.signal('SIGSTOP')
        await sleep(20)
        if (kind === 'stop') await fenceShared(NAME, meta)
        const second = await next()
        promised = Math.max(promised, writer.promised, second.promised)
        writer.signal('SIGCONT')
        await writer.end()
        if (writer.over !== 'ESTALE')
          throw new Error(`the writer that was overtaken ended with ${writer.over}`)
        return second
      }
      case 'database':
        await postgres.kill()
        await sleep(prng.below(MOMENT))
        await postgres.begin()
        await writer.goesOn()
        return writer
      case 'sleep':
        writer.signal('SIGSTOP')
        await sleep(LEASE)
        writer.signal('SIGCONT')
        await writer.goesOn()
        return writer
      case 'bucket':
      case 'minute':
        proxy.isRefusing = true
        await sleep(kind === 'minute' ? MINUTE : prng.below(MOMENT))
        proxy.isRefusing = false
        await writer.goesOn()
        return writer
    }
  }

  await inMachine(async machine => {
    const volume = await machine.createVolume(NAME, { ...place, data: 's3://bucket/prefix' })
    await begin(volume)
    await volume.close()
  })
  proxy.loses = 5
  let writer = await next()
  const isCollected = collecting()
  stack.defer(async () => {
    collector.abort()
    await isCollected
  })
  for (const [done, kind] of plan.entries()) {
    try {
      writer = await turn(kind, writer)
      promised = Math.max(promised, writer.promised)
      await look(writer)
    } catch (error) {
      throw new Error(`turn ${done + 1}, ${kind}: ${(error as Error).message}`, { cause: error })
    }
    count[kind] = (count[kind] ?? 0) + 1
    progress?.(done + 1)
  }
  await writer.kill()
  collector.abort()
  await isCollected
  promised = Math.max(promised, writer.promised)
  await look(undefined)
  await fenceShared(NAME, meta)
  const wrong = await inMachine(async machine => {
    const volume = await machine.openVolume(NAME, { ...place, mode: 'r+' })
    const { wrong } = await volume.check()
    await volume.close()
    return wrong
  })
  if (wrong.length > 0) throw new Error(`the check found: ${wrong.join('; ')}`)
  const { refused, lost: answersLost } = proxy
  return {
    turns: count,
    promised,
    looks,
    refused,
    answersLost,
    collected,
    seconds: (performance.now() - start) / 1000,
  }
}
