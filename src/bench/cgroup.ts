/** A real limit on the memory of a child process: a cgroup of its own, made where root may, removed at the end. */
import fs from 'node:fs'
import { type Bytes, messageOf } from '../base/index.ts'

/** Where the memory controller is, under cgroup2 and under its predecessor, and its limit. */
const HIERARCHIES = [
  { root: '/sys/fs/cgroup', mark: 'cgroup.controllers', limit: 'memory.max' },
  { root: '/sys/fs/cgroup/memory', mark: 'memory.limit_in_bytes', limit: 'memory.limit_in_bytes' },
] as const

export interface Limit {
  /** In words, for the report. */
  readonly what: string
  remove(): void
}

/**
 * What the process allocates from now on, the host's page cache for it included, is at most `bytes`. What it has already
 * stays charged to where it was. Where that can't be done, `what` says that there is no limit.
 */
export function limitMemory(pid: number, bytes: Bytes): Limit {
  const found = HIERARCHIES.find(each => fs.existsSync(`${each.root}/${each.mark}`))
  if (found === undefined) return { what: 'without a limit: this host has no cgroups', remove: () => {} }
  const group = `${found.root}/faultline-bench-${process.pid}-${pid}`
  try {
    fs.mkdirSync(group)
    fs.writeFileSync(`${group}/${found.limit}`, String(bytes))
    fs.writeFileSync(`${group}/cgroup.procs`, String(pid))
  } catch (error) {
    fs.rmSync(group, { recursive: true, force: true })
    return { what: `without a limit: ${messageOf(error)}`, remove: () => {} }
  }
  return { what: `in a cgroup with ${found.limit}`, remove: () => fs.rmdirSync(group) }
}
