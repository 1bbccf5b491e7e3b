/**
 * A file of the host that is read and written in the call that asks, one request after the other: what the engine's
 * side lies on. Ends are told by `pump`, never from inside `start` (D1).
 */
import fs from 'node:fs'
import { type Bytes, type Errno, errno } from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'

export class DirectDevice implements Device {
  readonly name: string
  readonly disk = '0:0'
  readonly readOnly = false
  onEnd: (request: Request, error: Errno) => void = () => {}
  private readonly fd: number
  private readonly punch: (fd: number, position: Bytes, length: Bytes) => void
  private ended: Request[] = []

  constructor(name: string, fd: number, punch: (fd: number, position: Bytes, length: Bytes) => void) {
    this.name = name
    this.fd = fd
    this.punch = punch
  }

  start(request: Request): void {
    this.perform(request)
    this.ended.push(request)
  }

  /** Tells what has ended. Whether there was anything. */
  pump(): boolean {
    const { ended } = this
    this.ended = []
    for (const request of ended) this.onEnd(request, errno.OK)
    return ended.length > 0
  }

  private perform({ operation, position, length, buffers }: Request): void {
    switch (operation) {
      case 'read':
        this.read(position, buffers)
        return
      case 'write': {
        let left = length
        let at = position
        for (const buffer of buffers) {
          const part = Math.min(left, buffer.length)
          fs.writeSync(this.fd, buffer, 0, part, at)
          at += part
          left -= part
        }
        return
      }
      case 'flush':
        return
      case 'resize':
        fs.ftruncateSync(this.fd, length)
        return
      case 'zero':
        this.punch(this.fd, position, length)
        return
    }
  }

  private read(position: Bytes, buffers: readonly Uint8Array[]): void {
    let at = position
    for (const buffer of buffers) {
      const got = fs.readSync(this.fd, buffer, 0, buffer.length, at)
      buffer.fill(0, got)
      at += buffer.length
    }
  }
}
