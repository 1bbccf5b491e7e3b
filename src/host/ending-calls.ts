/**
 * Calls of the host while the process lives, and when it ends and no event loop turns any more: from then on each is made
 * at once, one after the other, by whoever waits for the machine. Those under way begin again, for nobody hears of their
 * ends: what they write is the same.
 */
import fs from 'node:fs'
import { type Bytes, NumberMap } from '../base/index.ts'
import type { HostCalls } from './calls.ts'

type Ended = (failure: NodeJS.ErrnoException | null, count: number) => void

interface Call {
  /** Makes it, at once. Returns how many bytes there were. */
  readonly now: () => number
  readonly ended: Ended
}

export class EndingCalls implements HostCalls {
  private readonly calls: HostCalls
  private readonly running = new NumberMap<Call>()
  private begun = 0
  /** The process ends: calls that nobody has made yet. */
  private waiting: Call[] | undefined

  constructor(calls: HostCalls) {
    this.calls = calls
  }

  read(fd: number, buffers: readonly Uint8Array[], position: Bytes, ended: Ended): void {
    const now = () => fs.readvSync(fd, buffers, position)
    this.begin({ now, ended }, done => this.calls.read(fd, buffers, position, done))
  }

  readDirect(fd: number, buffers: readonly Uint8Array[], position: Bytes, ended: Ended): void {
    const now = () => fs.readvSync(fd, buffers, position)
    this.begin({ now, ended }, done => this.calls.readDirect(fd, buffers, position, done))
  }

  write(fd: number, buffers: readonly Uint8Array[], position: Bytes, ended: Ended): void {
    const now = () => fs.writevSync(fd, buffers, position)
    this.begin({ now, ended }, done => this.calls.write(fd, buffers, position, done))
  }

  flush(fd: number, ended: (failure: NodeJS.ErrnoException | null) => void): void {
    const now = () => {
      fs.fsyncSync(fd)
      return 0
    }
    this.begin({ now, ended }, done => this.calls.flush(fd, failure => done(failure, 0)))
  }

  resize(fd: number, length: Bytes, ended: (failure: NodeJS.ErrnoException | null) => void): void {
    const now = () => {
      fs.ftruncateSync(fd, length)
      return 0
    }
    this.begin({ now, ended }, done => this.calls.resize(fd, length, failure => done(failure, 0)))
  }

  /** The process ends. */
  end(): void {
    this.waiting ??= this.running.values()
  }

  /** Makes a call that waits. Returns whether there was one. */
  step(): boolean {
    const call = this.waiting?.shift()
    if (call === undefined) return false
    let count: number
    try {
      count = call.now()
    } catch (error) {
      call.ended(error as NodeJS.ErrnoException, 0)
      return true
    }
    call.ended(null, count)
    return true
  }

  private begin(call: Call, begin: (done: Ended) => void): void {
    if (this.waiting !== undefined) {
      this.waiting.push(call)
      return
    }
    const id = this.begun++
    this.running.set(id, call)
    begin((failure, count) => {
      if (this.waiting === undefined && this.running.delete(id)) call.ended(failure, count)
    })
  }
}
