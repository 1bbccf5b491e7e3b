/**
 * What may happen next, as a small number, and a schedule of such choices as a string that can be typed:
 *
 *     a b c …      one attempt of the ready task of that letter (those of the scenario first, helpers after them)
 *     1 2 3 …      the I/O in that place, first issued first, ends well
 *     !1 !2 …      it fails with EIO, if the scenario has such failures left
 *     -a -b …      that task is killed, if the scenario says it may be
 *     ~            time passes until the next timer
 */
export type Choice = number

export const IO_WELL: Choice = 32
export const IO_FAILS: Choice = 64
export const KILL: Choice = 96
export const TIME: Choice = 127

export function letter(number: number): string {
  return String.fromCharCode(97 + number)
}

/** A schedule as a string: one character or two for each choice. */
export function scheduleText(choices: readonly Choice[]): string {
  return choices.map(choiceText).join('')
}

export function choiceText(choice: Choice): string {
  if (choice === TIME) return '~'
  if (choice >= KILL) return `-${letter(choice - KILL)}`
  if (choice >= IO_FAILS) return `!${choice - IO_FAILS + 1}`
  return choice >= IO_WELL ? `${choice - IO_WELL + 1}` : letter(choice)
}

/** The choices of a schedule string, or one sentence about the place where it makes no sense. */
export function parseSchedule(text: string): Choice[] | string {
  const found: Choice[] = []
  for (let at = 0; at < text.length; ) {
    const match = /^(?:([a-z])|([1-9])|!([1-9])|-([a-z])|(~))/.exec(text.slice(at))
    if (match === null)
      return `expected a letter, a digit, !digit, -letter or ~ at place ${at + 1} of the schedule, got \`${text[at]}\``
    const [whole, task, well, fails, kill] = match
    if (task !== undefined) found.push(task.charCodeAt(0) - 97)
    else if (well !== undefined) found.push(IO_WELL + Number(well) - 1)
    else if (fails !== undefined) found.push(IO_FAILS + Number(fails) - 1)
    else if (kill !== undefined) found.push(KILL + kill.charCodeAt(0) - 97)
    else found.push(TIME)
    at += whole.length
  }
  return found
}
