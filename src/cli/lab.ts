/** faultline lab: the designs of the fault path, tried out. */
import { Command } from 'commander'
import { compareCommand, runCommand } from './lab-timed.ts'

export function labCommand(): Command {
  const lab = new Command('lab').description('try the designs of the fault path out, side by side')
  for (const command of [runCommand(), compareCommand()])
    lab.addCommand(command.exitOverride().showSuggestionAfterError())
  return lab
}
