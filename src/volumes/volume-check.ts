/** The check of an open volume, and what it found damaged. */
import type { CheckOptions } from '../api/index.ts'
import { checkKeys, choice } from '../calls/index.ts'
import { type CheckReport, checkingArgs } from '../volume/index.ts'
import type { OpenVolume } from './open-volume.ts'
import { checkProgress, type VolumeCalls } from './volume-calls.ts'

export interface Examined {
  readonly report: CheckReport
  /** The blocks whose data is bad. */
  readonly bad: ReadonlySet<number>
}

export async function examine(
  calls: VolumeCalls,
  { core, path, ground }: OpenVolume,
  options: CheckOptions,
): Promise<Examined> {
  checkKeys(options, ['data', 'signal', 'progress'], 'check')
  checkProgress(options.progress, 'check')
  const { data = 'with data', progress } = options
  const signal = calls.underWay.endedBy(options.signal)
  const args = checkingArgs(choice(data, ['with data', 'metadata only'], 'data', 'check'))
  const { blockSize } = core.header
  const timer = setInterval(() => progress?.((args.scrub?.compared ?? 0) * blockSize), 100)
  try {
    const call = { operation: 'check', where: path, signal }
    const { report, bad } = await calls.perform(core.checking, args, call)
    const flaws = calls.asked('check', path, () => ground.flaws())
    const wrong = [...flaws, ...report!.wrong]
    for (const what of [...flaws, ...args.damage]) core.parts.damaged(what)
    return { report: { ...report!, wrong }, bad }
  } finally {
    clearInterval(timer)
  }
}
