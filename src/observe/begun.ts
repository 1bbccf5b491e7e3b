/**
 * The tasks of the running kernel as they are now: state and stack of each, from /proc. A hang that began before tracing shows
 * in no event until it ends.
 *
 * Only tasks that sleep uninterruptibly are told: those are what anything waits behind, and /proc gives the stacks of others only
 * while they sleep.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { DumpReader, type SeenTask } from '../trace/index.ts'

export function tasksNow(): readonly SeenTask[] {
  const reader = new DumpReader()
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    for (const tid of listed(`/proc/${pid}/task`)) reader.push(Buffer.from(told(pid, tid)))
  }
  return reader.end()
}

function told(pid: string, tid: string): string {
  const folder = `/proc/${pid}/task/${tid}`
  const stat = read(`${folder}/stat`)
  // The name is in parentheses, and may hold some.
  const state = stat.slice(stat.lastIndexOf(')') + 2)[0]
  if (state !== 'D') return ''
  return `== ${read(`${folder}/comm`).trimEnd()} tid ${tid} tgid ${pid} State: D (disk sleep)\n${read(`${folder}/stack`)}`
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** A task may end at any time; what it was then isn't needed. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
