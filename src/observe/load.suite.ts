/** What tests and measurements of the running kernel need: whether it can be had, a small file system, and loads. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const BLKIO = '/sys/fs/cgroup/blkio'

/** The program that makes the loads: load.py SCENARIO FOLDER SECONDS. */
export const LOAD = join(import.meta.dirname, 'load.py')

export const ok = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0

export function whyNoKernel(): string | false {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync('/sys/kernel/tracing')) return 'the kernel has no tracefs'
  for (const program of ['python3', 'mkfs.ext4', 'fsfreeze', 'losetup', 'flock'])
    if (!ok('sh', '-c', `command -v ${program}`)) return `needs ${program}`
  if (!ok('losetup', '--find')) return 'no loop device is free'
  return false
}

/**
 * Returns when no other process of the tests traces the kernel, and keeps them out for as long as this one lives: whoever traces
 * sees what all of them do.
 */
export async function aloneWithTheKernel(): Promise<void> {
  const lock = join(tmpdir(), 'faultline-kernel.lock')
  const holder = spawn('flock', [lock, 'sh', '-c', 'echo mine; exec cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  await once(holder.stdout, 'data')
  holder.unref()
  for (const end of [holder.stdin, holder.stdout]) (end as Socket).unref()
}

/** A small ext4 on a loop device for as long as `use` runs. */
export async function withExt4(use: (mount: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-live-'))
  const [image, mount] = [join(folder, 'image'), join(folder, 'mount')]
  mkdirSync(mount)
  assert.ok(
    ok('truncate', '-s', '32M', image) &&
      ok('mkfs.ext4', '-q', '-F', image) &&
      ok('mount', '-o', 'loop', image, mount),
  )
  try {
    await use(mount)
  } finally {
    spawnSync('fsfreeze', ['-u', mount])
    spawnSync('umount', ['-l', mount])
    rmSync(folder, { recursive: true })
  }
}

/** Runs `use` with the words before a command that limit what it reads from `mount` to so many bytes a second. */
export async function withReadLimit(
  mount: string,
  bytes: number,
  use: (prefix: readonly string[]) => Promise<void>,
): Promise<void> {
  const group = `${BLKIO}/faultline-${process.pid}`
  if (!existsSync(`${BLKIO}/blkio.throttle.read_bps_device`)) return use([])
  const { dev } = statSync(mount)
  mkdirSync(group)
  try {
    writeFileSync(`${group}/blkio.throttle.read_bps_device`, `${dev >> 8}:${dev & 0xff} ${bytes}`)
    await use(['sh', '-c', `echo $$ > ${group}/cgroup.procs; exec "$@"`, 'sh'])
  } finally {
    rmdirSync(group)
  }
}

/** Tracing instances of ours that are there now. */
export const instances = (): string[] =>
  existsSync('/sys/kernel/tracing/instances')
    ? readdirSync('/sys/kernel/tracing/instances').filter(name => name.startsWith('faultline-'))
    : []

/** Resolves with what ended it: a status or a signal. */
export const ended = (child: ChildProcess): Promise<number | string | null> =>
  new Promise(resolve => child.once('close', (status, signal) => resolve(status ?? signal)))

/** With tracefs mounted for as long as `use` runs, so that what others see of it can be looked at. */
export async function withTracefs(use: () => Promise<void>): Promise<void> {
  const isMounted = ok('mountpoint', '-q', '/sys/kernel/tracing')
  if (!isMounted) assert.ok(ok('mount', '-t', 'tracefs', 'nodev', '/sys/kernel/tracing'))
  try {
    await use()
  } finally {
    if (!isMounted) spawnSync('umount', ['/sys/kernel/tracing'])
  }
}
