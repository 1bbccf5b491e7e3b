/** What commands do that go over many files of a volume: what is damaged is told, and they go on; it ends with 1. */
import { printable } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'

/** undefined: what it asked for is damaged, and `told` has heard of it. */
export async function unlessDamaged<T>(
  act: () => Promise<T>,
  told: (sentence: string) => void,
): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof FaultlineError) || !['EIO', 'EUCLEAN'].includes(error.code)) throw error
    told(error.message)
    return undefined
  }
}

/** On standard error; the command's status is 1. */
export function tellDamage(sentence: string): void {
  process.stderr.write(`faultline: ${printable(sentence)}\n`)
  process.exitCode = 1
}
