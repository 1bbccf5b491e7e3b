/** A thread for calls that wait until the session has answered the kernel: umount2, notifications, settings of the mount. */
import { writeFileSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { Linux } from '../linux/index.ts'
import type { AsideCall, AsideResult } from './aside.ts'
import { unmount } from './mounting.ts'

const linux = new Linux()

parentPort!.on('message', ({ id, call }: { readonly id: number; readonly call: AsideCall }) => {
  parentPort!.postMessage({ id, result: perform(call) } satisfies AsideResult)
})

/** 0, or -errno. */
function perform(call: AsideCall): number {
  switch (call.what) {
    case 'unmount':
      return unmount(linux, call.target, call.how)
    case 'notify':
      return Math.min(0, linux.tryWrite(call.fd, call.message))
    case 'nothing':
      return 0
    case 'set':
      try {
        writeFileSync(call.path, call.value)
        return 0
      } catch (error) {
        return (error as NodeJS.ErrnoException).errno ?? -1
      }
  }
}
