/**
 * A thread that has the kernel write its dirty pages of files of the mount. What it waits for the session answers, so it must not
 * keep the session's device open: were the process killed, the kernel would wait for an answer that never comes.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { errno, numberOf } from '../base/index.ts'
import { hasLoaded, Linux, settingOfThread } from '../linux/index.ts'
import type {
  HandedOver,
  PagesOf,
  PageWriterAsked,
  PageWriterSaid,
  PageWriterSetting,
} from './page-writers.ts'

const { device, target } = settingOfThread<PageWriterSetting>()
/** FILEID_INO64_GEN of FUSE: what fs/fuse/inode.c makes of an inode and its generation. */
const HANDLE_TYPE = 0x81
const HANDLE_BYTES = 12
const U32 = 2 ** 32

const linux = new Linux()
const separated = linux.unshareFiles()
if (separated === 0) closeSync(device)
hasLoaded()

parentPort!.on('message', (files: PageWriterAsked) => {
  if (files === 'end') {
    parentPort!.close()
    return
  }
  const open: number[] = []
  say({ handedOver: separated === 0 ? handOver(files, open) : { unreachable: -separated, failed: errno.OK } })
  // It may wait for a lock of who waits for what was just said.
  for (const fd of open) closeSync(fd)
  say('idle')
})

function say(said: PageWriterSaid): void {
  parentPort!.postMessage(said)
}

function handOver(files: readonly PagesOf[], open: number[]): HandedOver {
  let failed: number = errno.OK
  try {
    open.push(openSync(target, constants.O_RDONLY | constants.O_DIRECTORY))
  } catch (error) {
    return { unreachable: -(numberOf(error) ?? -errno.EIO), failed }
  }
  for (const { ino, generation } of files) {
    const handle = Uint32Array.of(
      HANDLE_BYTES,
      HANDLE_TYPE,
      Math.floor(ino / U32),
      ino % U32,
      generation % U32,
    )
    const fd = linux.openByHandle(open[0]!, handle)
    // An inode that the kernel doesn't have any more has no pages.
    if (-fd === errno.ESTALE) continue
    if (fd < 0) return { unreachable: -fd, failed }
    open.push(fd)
    const written = -linux.writePages(fd)
    if (failed === errno.OK) failed = written
  }
  return { unreachable: errno.OK, failed }
}
