/**
 * A PostgreSQL server for tests: in a directory of its own, at a socket in it, owned by an account that isn't root. It can be
 * killed, and started again.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import os from 'node:os'
import { join } from 'node:path'
import { Postgres, PostgresError } from './postgres.ts'

const STARTED_WITHIN = 60_000
/** Lock of a directory, and durable commits: as anybody runs it. A small server, though. */
const SETTINGS = ['shared_buffers=16MB', 'max_connections=60']

/** Where its programs are; undefined: nowhere. */
function programs(): string | undefined {
  const root = '/usr/lib/postgresql'
  const versions = fs.existsSync(root) ? fs.readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const places = [
    ...versions.map(version => join(root, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ]
  return places.find(place => fs.existsSync(join(place, 'initdb')) && fs.existsSync(join(place, 'postgres')))
}

/** Root may not run it. */
function account(): { readonly uid: number; readonly gid: number } | undefined | 'none' {
  if (process.getuid?.() !== 0) return undefined
  const { stdout, status } = spawnSync('id', ['-u', 'postgres'], { encoding: 'utf8' })
  const group = spawnSync('id', ['-g', 'postgres'], { encoding: 'utf8' })
  return status === 0 ? { uid: Number(stdout), gid: Number(group.stdout) } : 'none'
}

/** Why there can be none here; false: there can. */
export const NO_POSTGRES: string | false =
  programs() === undefined || account() === 'none' ? 'no PostgreSQL server here: install postgresql' : false

/** Who comes by TCP must come by TLS. */
export interface Tls {
  readonly certificate: string
  readonly key: string
}

export class PostgresServer {
  /** postgres://… */
  readonly address: string
  /** By which it is reached over TLS, if it has any; at its socket it has none. */
  readonly port: number
  private readonly directory: string
  private readonly settings: readonly string[]
  private child: ChildProcess | undefined

  private constructor(directory: string, port: number, settings: readonly string[]) {
    this.directory = directory
    this.port = port
    this.settings = settings
    this.address = `postgres://postgres@/postgres?host=${encodeURIComponent(directory)}&port=${port}`
  }

  static async start(tls?: Tls): Promise<PostgresServer> {
    const directory = fs.mkdtempSync(join(os.tmpdir(), 'faultline-postgres-'))
    const who = account()
    if (typeof who === 'object') fs.chownSync(directory, who.uid, who.gid)
    const port = tls === undefined ? 5432 : await freePort()
    const settings = tls === undefined ? ['listen_addresses='] : tlsSettings(directory, tls, port)
    const server = new PostgresServer(directory, port, settings)
    execFileSync(
      join(programs()!, 'initdb'),
      [
        '-D',
        join(directory, 'data'),
        '-U',
        'postgres',
        '-A',
        'trust',
        '--no-sync',
        '-E',
        'UTF8',
        '--locale=C',
      ],
      { cwd: directory, stdio: 'ignore', ...(typeof who === 'object' ? who : {}) },
    )
    await server.begin()
    return server
  }

  /** Starts it, and waits until it answers. */
  async begin(): Promise<void> {
    const { directory } = this
    const settings = [...SETTINGS, ...this.settings]
    const who = account()
    const log = fs.openSync(join(directory, 'log'), 'a')
    this.child = spawn(
      join(programs()!, 'postgres'),
      ['-D', join(directory, 'data'), '-k', directory, ...settings.flatMap(each => ['-c', each])],
      { cwd: directory, stdio: ['ignore', log, log], ...(typeof who === 'object' ? who : {}) },
    )
    fs.closeSync(log)
    const { child } = this
    const postgres = await Postgres.open(this.address)
    try {
      for (const until = Date.now() + STARTED_WITHIN; ; ) {
        try {
          await postgres.ask('select 1')
          return
        } catch (error) {
          const isOver = child.exitCode !== null || Date.now() > until
          if (!(error instanceof PostgresError) || isOver)
            throw new Error(`PostgreSQL didn't start: ${fs.readFileSync(join(directory, 'log'), 'utf8')}`)
          await new Promise(resolve => setTimeout(resolve, 50))
        }
      }
    } finally {
      await postgres.close()
    }
  }

  /** SIGQUIT: it goes at once, as in a crash, and its children with it. */
  async kill(): Promise<void> {
    const { child } = this
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGQUIT')
    await ended
  }

  async stop(): Promise<void> {
    await this.kill()
    fs.rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Its files must be its own. */
function tlsSettings(directory: string, { certificate, key }: Tls, port: number): string[] {
  const who = account()
  const own = (name: string, text: string) => {
    const path = join(directory, name)
    fs.writeFileSync(path, text, { mode: 0o600 })
    if (typeof who === 'object') fs.chownSync(path, who.uid, who.gid)
    return path
  }
  const hba = own('hba', 'local all all trust\nhostssl all all 127.0.0.1/32 trust\n')
  return [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'ssl=on',
    `ssl_cert_file=${own('server.crt', certificate)}`,
    `ssl_key_file=${own('server.key', key)}`,
    `hba_file=${hba}`,
  ]
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
