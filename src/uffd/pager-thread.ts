/** A thread for pagers, one after the other. */
import { parentPort } from 'node:worker_threads'
import { hasLoaded, Linux } from '../linux/index.ts'
import { Pager } from './pager.ts'
import { abortProcess } from './poison.ts'
import type { PagerData } from './wire.ts'

const linux = new Linux()
hasLoaded()
process.on('uncaughtException', error => abortProcess(linux, `the pager failed: ${error.stack ?? error}`))

parentPort!.on('message', async (data: PagerData) => {
  await Pager.serve(linux, data)
  parentPort!.postMessage('ended')
})
