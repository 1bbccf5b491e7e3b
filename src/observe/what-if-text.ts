/** The counterfactual as text for a terminal of 80 columns: the answer, each waiter, and what was assumed. */
import { printable } from '../base/index.ts'
import { millis, percent, wrap } from './sentences.ts'
import { TRUSTED_PERCENT, type WhatIf } from './what-if.ts'

const ROWS = 12
const NAME = 24

export function whatIfText(answer: WhatIf, thresholdMs: number): string {
  const { discipline, kernelDiscipline, kernelDisciplineFrom, waits, worstErrorPercent, all, replayed } =
    answer
  const title = `What if the kernel's locks had been those of ${discipline}?`
  if (waits.length === 0)
    return `${title}\n\nThe trace has no inversion of ${thresholdMs} ms or more to replay.\n`
  const lines = [
    ...(answer.trustworthy
      ? []
      : [
          ...wrap(
            `This answer is untrustworthy: the replay under ${kernelDiscipline} is ${worstErrorPercent.toFixed(0)} % off what was observed, more than the ${TRUSTED_PERCENT} % up to which it can be believed.`,
            '',
            '',
          ),
          '',
        ]),
    title,
    '',
  ]
  lines.push(
    ...wrap(
      `Replayed ${replayed.sections} holds and ${replayed.faults} faults of ${replayed.tasks} tasks, first under ${kernelDiscipline} (${kernelDisciplineFrom}): each wait of ${thresholdMs} ms or more comes out within ${Math.max(0.01, worstErrorPercent).toFixed(2)} % of what was observed.`,
      '',
      '',
    ),
    '',
    row('waiter', 'for', 'observed', 'replayed', 'error', discipline),
  )
  for (const { comm, tid, lock, observedMs, replayedMs, errorPercent, whatIfMs } of waits.slice(0, ROWS))
    lines.push(
      row(
        `${comm} (${tid})`,
        lock.replace('mmap_lock (', '').replace(')', ''),
        millis(observedMs),
        millis(replayedMs),
        percent(errorPercent),
        millis(whatIfMs),
      ),
    )
  if (waits.length > ROWS) lines.push(`and ${waits.length - ROWS} more; --json has them all`)
  lines.push(
    '',
    ...wrap(
      `All ${all.waits} waits for locks together: observed ${millis(all.observedMs)}, replayed ${millis(all.replayedMs)}, under ${discipline} ${millis(all.whatIfMs)}.`,
      '',
      '',
    ),
    '',
    'Assumed',
  )
  for (const each of answer.assumed) lines.push(...wrap(each, '  ', '    '))
  if (replayed.leftOut > 0)
    lines.push(
      ...wrap(`${replayed.leftOut} stretches were left out: too many, or of unknown memory.`, '  ', '    '),
    )
  return `${lines.join('\n')}\n`
}

function row(who: string, lock: string, ...figures: readonly string[]): string {
  const [observed, replayed, error, other] = figures as [string, string, string, string]
  return [
    printable(who).slice(0, NAME).padEnd(NAME),
    lock.padEnd(8),
    observed.padStart(10),
    replayed.padStart(10),
    error.padStart(9),
    other.padStart(10),
  ].join(' ')
}
