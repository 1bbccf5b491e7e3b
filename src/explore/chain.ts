/** Who waits for whom in a small machine, a sentence for each link. */
import { linkText, waitChain } from '../lock/index.ts'
import type { Machine } from './machine.ts'

/** The longest chain that there is; a `/proc` reader's if one waits. */
export function chainOf(machine: Machine): string[] {
  const waiting = [...machine.engine.scheduler.tasks.values()].filter(task => task.state === 'waiting')
  const { proc } = machine.engine.verbs
  const chains = waiting.map(task => ({ reader: task.verb === proc, tasks: waitChain(task) }))
  chains.sort(
    (left, right) => Number(right.reader) - Number(left.reader) || right.tasks.length - left.tasks.length,
  )
  const letterOf = machine.letterOf.bind(machine)
  return (chains[0]?.tasks ?? []).map(task =>
    linkText(task, letterOf, each => `${letterOf(each)} (${each.name})`),
  )
}
