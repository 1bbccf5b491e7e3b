/**
 * Plays scenes while the n-th call of the host fails, for every kind of call and n from 1 to the last, and looks at what is left.
 *
 *     prepare  ->  play, the n-th call fails  ->  the host is well again  ->  is all there that was promised, and sound?
 *
 * Whatever the host does: each call of the library ends, with a FaultlineError if it ends badly; nothing is rejected that
 * nobody handles; what sync promised is there; volumes open to be written, and their check is clean.
 */

import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MachineFace, VolumeFace } from '../api/index.ts'
import type { Prng } from '../base/index.ts'
import { CALL_KINDS, type CallKind, type FailingHost, type Fault, type How } from './failing-host.ts'
import { Oracle, type Value } from './oracle.ts'
import { SCENES, type Scene } from './scenes.ts'

/** How long a call may take on a busy machine before it is said to hang. */
const PATIENCE = 60_000

export interface Library {
  start(options: { readonly memory: string }): Promise<MachineFace>
  repair(machine: MachineFace, path: string): Promise<{ readonly givenUp: readonly string[] }>
  readonly FaultlineError: new (...args: never[]) => Error
  readonly databaseOf: (volume: VolumeFace) => object | undefined
}

export interface Case {
  readonly scene: Scene
  readonly fault: Fault | undefined
}

export interface Played {
  /** A sentence for each thing that isn't as it must be. */
  readonly wrong: readonly string[]
  /** Calls of each kind that the host was asked for. */
  readonly made: Readonly<Record<string, number>>
}

export class Campaign {
  private readonly host: FailingHost
  private readonly library: Library
  private readonly rejected: string[] = []

  constructor(host: FailingHost, library: Library) {
    this.host = host
    this.library = library
    for (const event of ['unhandledRejection', 'uncaughtException'])
      process.on(event, (error: unknown) => this.rejected.push(`${event}: ${shown(error)}`))
  }

  async play({ scene, fault }: Case): Promise<Played> {
    const { host, rejected } = this
    const directory = fs.mkdtempSync(join(tmpdir(), 'faultline-hostile-'))
    const oracle = new Oracle()
    const wrong: string[] = []
    const start = () => this.library.start({ memory: '1 MiB' })
    try {
      host.begin(undefined)
      await scene.prepare(directory, start, oracle)
      host.begin(fault)
      await scene.play({
        directory,
        oracle,
        start,
        call: (name, act) => this.call(name, act, wrong),
        opened: volume => this.failLmdb(volume),
      })
      const { made } = host
      host.heal()
      // What was rejected is told in a turn of its own.
      await new Promise(resolve => setImmediate(resolve))
      wrong.push(...rejected.splice(0))
      wrong.push(...(await this.left(directory, oracle)))
      return { wrong, made }
    } finally {
      host.heal()
      fs.rmSync(directory, { recursive: true, force: true })
    }
  }

  /** How often each kind of call is made in a scene: so far n goes. */
  async count(scene: Scene): Promise<Readonly<Record<string, number>>> {
    const { made, wrong } = await this.play({ scene, fault: undefined })
    if (wrong.length > 0) throw new Error(`${scene.name}, though nothing fails: ${wrong.join('; ')}`)
    return made
  }

  private async call<T>(
    name: string,
    act: () => Promise<T> | T,
    wrong: string[],
  ): Promise<{ readonly value: T } | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>(resolve => {
      timer = setTimeout(() => resolve('late'), PATIENCE)
    })
    try {
      const ended = await Promise.race([(async () => ({ value: await act() }))(), late])
      if (ended !== 'late') return ended
      wrong.push(`${name} hangs`)
    } catch (error) {
      if (!(error instanceof this.library.FaultlineError)) wrong.push(`${name} fails with ${shown(error)}`)
    } finally {
      clearTimeout(timer)
    }
    return undefined
  }

  private failLmdb(volume: VolumeFace): void {
    const database = this.library.databaseOf(volume)
    if (database !== undefined) this.host.addLmdb(database)
  }

  /** With a host that is well again. */
  private async left(directory: string, oracle: Oracle): Promise<string[]> {
    const wrong: string[] = []
    const values = new Map<string, Value>()
    for (const name of ['file', 'out']) {
      const path = join(directory, name)
      if (!fs.existsSync(path)) continue
      const bytes = fs.readFileSync(path)
      if (name === 'out') values.set(name, bytes.readUInt32LE(0))
      for (let at = 0; name === 'file' && at + 4 <= bytes.length; at += 4096)
        values.set(`page ${at / 4096}`, bytes.readUInt32LE(at))
    }
    await this.call('looking at what is left', () => this.readVolume(directory, values, wrong), wrong)
    wrong.push(...oracle.wrong(place => values.get(place)))
    return wrong
  }

  private async readVolume(directory: string, values: Map<string, Value>, wrong: string[]): Promise<void> {
    const path = join(directory, 'volume')
    if (!SCENES.some(({ name }) => name.endsWith('volume')) || !fs.existsSync(path)) return
    const machine = await this.library.start({ memory: '1 MiB' })
    try {
      let volume = fs.existsSync(join(path, 'data.mdb'))
        ? await machine.openVolume(path, { mode: 'r+' })
        : await machine.createVolume(path, { size: '1 MiB' })
      if (volume.readOnly) {
        // Its first block couldn't be read for as long as it was asked for: that can't be told from damage.
        await volume.close()
        const { givenUp } = await this.library.repair(machine, path)
        wrong.push(...givenUp.map(what => `given up: ${what}`))
        volume = await machine.openVolume(path, { mode: 'r+' })
      }
      const { wrong: flaws } = await volume.check()
      wrong.push(...flaws.map(flaw => `check: ${flaw}`), ...volume.damage.map(flaw => `damage: ${flaw}`))
      if (volume.readOnly) wrong.push('the volume opens to be read only')
      const walk = async (at: string): Promise<void> => {
        for (const { name, kind } of await volume.list(at)) {
          const place = at === '/' ? `/${name}` : `${at}/${name}`
          if (kind === 'directory') await walk(place)
          else values.set(place, await first(await volume.open(place)))
        }
      }
      await walk('/')
    } catch (error) {
      wrong.push(`afterwards: ${shown(error)}`)
    } finally {
      await machine.close()
    }
  }
}

/** Every case there is; `share` below 1: so many of them, taken by chance. */
export async function* cases(campaign: Campaign, prng: Prng, share: number): AsyncGenerator<Case> {
  for (const scene of SCENES) {
    const made = await campaign.count(scene)
    for (const kind of CALL_KINDS)
      for (let nth = 1; nth <= (made[kind] ?? 0); nth++)
        for (const how of waysOf(kind)) {
          const code = prng.pick(codesOf(kind))
          if (prng.below(1_000_000) < share * 1_000_000) yield { scene, fault: { kind, nth, how, code } }
        }
  }
}

function waysOf(kind: CallKind): readonly How[] {
  if (kind.endsWith(' a thread')) return ['once', 'for ever', 'interrupted']
  return kind === 'read' || kind === 'write'
    ? ['once', 'for ever', 'short', 'interrupted']
    : ['once', 'for ever']
}

function codesOf(kind: CallKind): readonly string[] {
  switch (kind) {
    case 'open':
    case 'handle':
      return ['EMFILE', 'EIO', 'EACCES']
    case 'write':
    case 'write at once':
    case 'write by a thread':
    case 'commit':
    case 'name':
      return ['EIO', 'ENOSPC', 'EDQUOT']
    default:
      return ['EIO']
  }
}

export function words({ scene, fault }: Case): string {
  return fault === undefined
    ? scene.name
    : `${scene.name}: ${fault.kind} ${fault.nth} fails ${fault.how} with ${fault.code}`
}

async function first(file: {
  read(target: Uint8Array, at: number): Promise<number>
  close(): Promise<void>
}) {
  const bytes = Buffer.alloc(4)
  await file.read(bytes, 0)
  await file.close()
  return bytes.readUInt32LE(0)
}

function shown(error: unknown): string {
  return error instanceof Error
    ? (error.stack ?? error.message).split('\n').slice(0, 6).join(' | ')
    : String(error)
}
