/** A thread for calls that wait until the session has answered the kernel: umount2, notifications, settings of the mount. */

import { writeFileSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { numberOf } from '../base/index.ts'
import { hasLoaded, Linux } from '../linux/index.ts'
import type { AsideAsked, AsideCall, AsideResult } from './aside.ts'
import { unmount } from './mounting.ts'

const linux = new Linux()
hasLoaded()

parentPort!.on('message', (asked: AsideAsked) => {
  if (asked === 'end') {
    parentPort!.close()
    return
  }
  const { id, call } = asked
  parentPort!.postMessage({ id, result: perform(call) } satisfies AsideResult)
})

/** 0, or -errno. */
function perform(call: AsideCall): number {
  switch (call.what) {
    case 'unmount':
      return unmount(linux, call.target, call.how)
    case 'notify':
      return Math.min(0, linux.tryWrite(call.fd, call.message))
    case 'set':
      try {
        writeFileSync(call.path, call.value)
        return 0
      } catch (error) {
        return numberOf(error) ?? -1
      }
  }
}
