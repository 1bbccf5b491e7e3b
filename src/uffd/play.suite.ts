/** Scenes: programs in a process of their own, for tests of what ends one. */
import { spawn } from 'node:child_process'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

export interface Ended {
  readonly status: number | null
  readonly signal: string | null
  readonly out: string
  readonly err: string
}

/** Plays a scene. `preload` runs first in each of its threads. */
export function play(
  t: TestContext,
  scenes: URL,
  words: readonly string[],
  preload?: string,
): Promise<Ended> {
  const before =
    preload === undefined ? [] : ['--import', `data:text/javascript,${encodeURIComponent(preload)}`]
  const child = spawn(process.execPath, [...before, fileURLToPath(scenes), ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => void child.kill('SIGKILL'))
  let out = ''
  let err = ''
  child.stdout.on('data', text => {
    out += text
  })
  child.stderr.on('data', text => {
    err += text
  })
  return new Promise(resolve => {
    child.on('close', (status, signal) => resolve({ status, signal, out, err }))
  })
}
