/**
 * FAULTLINE_TRACE=file: a trace of the machine of any program, for ui.perfetto.dev, without a change to the program. It is
 * written when the machine is closed or the process ends, whole or not at all. Where a process has more machines than one,
 * `file` is the first one's, `file.2` the second's.
 */

import fs from 'node:fs'
import { messageOf } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import { nameBeside } from '../host/index.ts'
import { perfettoTrace } from '../report/index.ts'
import { ProgramTrace } from '../watch/index.ts'

export class OwnTrace {
  readonly watcher = new ProgramTrace()
  private readonly path: string
  private readonly atExit = () => this.write()

  constructor(path: string) {
    this.path = path
    process.once('exit', this.atExit)
  }

  attach({ scheduler, groups }: Engine): void {
    this.watcher.attach(scheduler, group => groups.path(group))
  }

  /** A trace that can't be written is told and no error: it isn't what the program is for. */
  write(): void {
    process.off('exit', this.atExit)
    const path = freeName(this.path)
    const beside = nameBeside(path, `.${process.pid}.part`)
    try {
      fs.writeFileSync(beside, Buffer.concat([...perfettoTrace([this.watcher.timeline()])]))
      fs.renameSync(beside, path)
    } catch (error) {
      fs.rmSync(beside, { force: true })
      console.error(`faultline: FAULTLINE_TRACE: ${path} could not be written: ${messageOf(error)}`)
    }
  }
}

/** undefined: nobody asked for one. */
export function ownTrace(): OwnTrace | undefined {
  const path = process.env['FAULTLINE_TRACE']
  return path === undefined || path === '' ? undefined : new OwnTrace(path)
}

/** What an earlier process left is written over; what another machine of this one wrote is not. */
function freeName(path: string): string {
  const began = Date.now() - process.uptime() * 1000
  const isOurs = (name: string) => (fs.statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= began
  let name = path
  for (let nth = 2; isOurs(name); nth++) name = `${path}.${nth}`
  return name
}
