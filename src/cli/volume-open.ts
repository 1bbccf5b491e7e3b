/**
 * What the commands about volumes share: a machine for one volume. One that is mounted has a daemon, which is asked what
 * only it can do; the rest is done with the files of the mount.
 */
import { FaultlineError, Machine, type Volume, volumeBlockSize } from '../map/index.ts'
import { askMounted, type ControlCalls, type ControlName, mountOf } from '../mount/index.ts'

/** Enough for the pages of what commands map and write; whole files go past it. */
const MEMORY = 16 * 2 ** 20

export async function withMachine<T>(blockSize: number, act: (machine: Machine) => Promise<T>): Promise<T> {
  const machine = await Machine.start({ memory: Math.max(MEMORY, 64 * blockSize), pageSize: blockSize })
  let said: T
  try {
    said = await act(machine)
  } catch (error) {
    // What it could not do is told, and not what closing could not do after it.
    await machine.close().catch(() => {})
    throw error
  }
  await machine.close()
  return said
}

/** Opens the volume for one thing to be done, and closes it. */
export async function inVolume<T>(
  path: string,
  mode: 'r' | 'r+',
  act: (volume: Volume) => Promise<T>,
): Promise<T> {
  refuseMounted(path)
  return withMachine(volumeBlockSize(path), async machine => {
    const volume = await machine.openVolume(path, { mode })
    const said = await act(volume)
    await volume.close()
    return said
  })
}

/** Asks the daemon if the volume is mounted, else the volume. The path may be the directory that it is mounted at. */
export async function ask<Name extends ControlName>(
  path: string,
  name: Name,
  takes: ControlCalls[Name]['takes'],
  mode: 'r' | 'r+',
  otherwise: (volume: Volume) => Promise<ControlCalls[Name]['gives']>,
): Promise<ControlCalls[Name]['gives']> {
  const mount = mountOf(path)
  return mount === undefined ? inVolume(path, mode, otherwise) : askMounted(mount.target, name, takes)
}

/** A volume that is mounted is the daemon's. */
export function refuseMounted(path: string): void {
  const mount = mountOf(path)
  if (mount === undefined) return
  const { source, target } = mount
  throw new FaultlineError(
    'EBUSY',
    'open',
    `the volume ${source} is mounted at ${target}: do it with the files there, or faultline umount ${target} first`,
  )
}
