/**
 * The command line, but the first word names a moment at which something ends:
 *
 *     opening                it gets SIGTERM before it has opened the volume
 *     mounted                it gets SIGTERM as soon as mount(2) has returned
 *     launcher killed        who started it in the background is gone before it is told of the mount
 *     launcher interrupted   who started it in the background gets SIGINT a while before it is told
 *     syncing                nothing becomes durable, and nothing fails
 *     losing                 it says at its end that something is lost
 *     closing                it is killed after it was unmounted, before it has said how it ended
 */
import { FaultlineError } from '../calls/index.ts'
import { Linux } from '../linux/index.ts'
import { Machine } from '../map/index.ts'
import { Files } from './files.ts'

/** Milliseconds in which a launcher has done something about its signal. */
const A_WHILE = 1500

// The daemon that is started in the background has it from here.
const moment = process.env.MOMENT ?? process.argv.splice(2, 1)[0]
process.env.MOMENT = moment
const { mount, prctl } = Linux.prototype

Linux.prototype.prctl = function (...args) {
  if (moment === 'opening') process.kill(process.pid, 'SIGTERM')
  return prctl.apply(this, args)
}

Linux.prototype.mount = function (plan) {
  const failed = mount.call(this, plan)
  const launcher = process.ppid
  if (moment === 'mounted') process.kill(process.pid, 'SIGTERM')
  if (moment === 'launcher interrupted') {
    process.kill(launcher, 'SIGINT')
    pause(A_WHILE)
  }
  if (moment === 'launcher killed') {
    process.kill(launcher, 'SIGKILL')
    while (process.ppid === launcher) pause(1)
  }
  return failed
}

if (moment === 'syncing')
  Files.prototype.sync = () => {
    process.stderr.write('syncing\n')
    return new Promise(() => {})
  }

if (moment === 'losing') {
  const { close } = Machine.prototype
  Machine.prototype.close = async function () {
    await close.call(this)
    throw new FaultlineError('ENOSPC', 'close', 'what was not durable yet is lost')
  }
}

if (moment === 'closing')
  Machine.prototype.close = async () => {
    process.kill(process.pid, 'SIGKILL')
  }

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

await import('../cli/main.ts')
