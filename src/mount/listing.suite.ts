/** A directory of many names on a mount: made, listed, walked and removed, while somebody else asks for other things. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { Machine } from '../map/index.ts'
import { Mounted, runs } from './mounting.suite.ts'

const HOUR = 3_600_000

export interface Listed {
  readonly rows: readonly { readonly what: string; readonly seconds: number }[]
  /** Another program's longest wait for a stat and a read, in milliseconds. */
  readonly slowestMs: number
  /** Of the daemon, in MiB. */
  readonly peakMiB: number
}

/** Asks for what isn't in that directory again and again, until it is told to stop; what the longest took. */
const ASIDE = `
  const fs = require('node:fs'); let [slowest, asked, stopped] = [0, 0, false]
  process.stdin.on('data', () => { stopped = true })
  const ask = () => {
    const began = performance.now()
    fs.writeFileSync('aside/' + asked % 7, String(asked)); fs.statSync('aside/' + asked++ % 7); fs.readdirSync('aside')
    slowest = Math.max(slowest, performance.now() - began)
    if (!stopped) setTimeout(ask, 1)
    else { console.log(JSON.stringify({ slowest, asked })); process.stdin.destroy() }
  }
  ask()`

export async function listMany(t: Parameters<typeof Mounted.bare>[0], names: number): Promise<Listed> {
  const mounted = Mounted.bare(t)
  const machine = await Machine.start({ memory: '64 MiB' })
  const volume = await machine.createVolume(mounted.volume, { size: '64MiB' })
  const rows: { what: string; seconds: number }[] = []
  const timed = async <T>(what: string, act: () => Promise<T>): Promise<T> => {
    const began = performance.now()
    const result = await act()
    rows.push({ what, seconds: (performance.now() - began) / 1000 })
    return result
  }
  await timed('made by the library', async () => {
    await volume.mkdir('/many')
    for (let name = 0; name < names; name++) await volume.create(`/many/name-${name}`)
    await volume.close()
    await machine.close()
  })
  await mounted.mount()
  await mounted.does('mkdir aside')
  const aside = spawn(process.execPath, ['-e', ASIDE], {
    cwd: mounted.target,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(aside, 'close')
  const said = text(aside.stdout)
  const does = (what: string, script: string, expected: string) =>
    timed(what, async () => {
      const { status, out, err } = await runs('sh', ['-e', '-c', script], {
        cwd: mounted.target,
        patience: HOUR,
      })
      assert.equal(status, 0, `${what}: ${err}`)
      assert.equal(out.trim(), expected, what)
    })
  const all = String(names)
  await does('ls -f', 'ls -f many | wc -l', String(names + 2))
  await does('ls -f again', 'ls -f many | wc -l', String(names + 2))
  await does('find', 'find many -type f | wc -l', all)
  await does('ls -l', 'ls -l many | wc -l', String(names + 1))
  await does('rm -rf', 'rm -rf many; ls', 'aside')
  aside.stdin.end('stop')
  await ended
  const { slowest } = JSON.parse(await said)
  const peak = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${mounted.pid}/status`, 'latin1'))![1]
  assert.equal(await mounted.unmount(), 0)
  assert.equal(mounted.said, '')
  assert.deepEqual(await mounted.check(), [])
  return { rows, slowestMs: slowest, peakMiB: Number(peak) / 1024 }
}
