/** What the commands about volumes share: a machine for one volume. */
import { Machine, type Volume, volumeBlockSize } from '../map/index.ts'

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
  return withMachine(volumeBlockSize(path), async machine => {
    const volume = await machine.openVolume(path, { mode })
    const said = await act(volume)
    await volume.close()
    return said
  })
}
