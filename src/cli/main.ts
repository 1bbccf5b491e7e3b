#!/usr/bin/env node
/**
 * The command line: words in, words out. Each command is a file of its own; what they do lives in the rooms below.
 *
 * Exit status   0 it did what was asked · 1 it ran, and what it looked for was found or failed · 2 the words were wrong
 *               130 it was interrupted
 */
import { Command, CommanderError } from 'commander'
import { FaultlineError } from '../map/index.ts'
import { demoCommand } from './demo.ts'
import { labCommand } from './lab.ts'
import { observeCommand } from './observe.ts'
import { volumeCommand } from './volume.ts'

export function program(): Command {
  const main = new Command('faultline')
    .description('Memory-mapped files bigger than memory, whose faults hold no lock while they wait for I/O.')
    .showSuggestionAfterError()
    .exitOverride()
  for (const command of [demoCommand(), labCommand(), observeCommand(), volumeCommand()])
    main.addCommand(command)
  for (const command of main.commands) command.exitOverride().showSuggestionAfterError()
  return main
}

// Whoever reads our output has read enough: `| head`. The shell's status for SIGPIPE.
process.stdout.on('error', error => {
  if ((error as { code?: string }).code !== 'EPIPE') throw error
  process.exit(141)
})

try {
  await program().parseAsync()
} catch (error) {
  process.exitCode = statusOf(error)
}

function statusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof Error && error.name === 'AbortError') return 130
  if (error instanceof FaultlineError && error.code === 'ABORT_ERR') return 130
  if (error instanceof FaultlineError || isOfHost(error)) {
    console.error(`faultline: ${error.message}`)
    return 1
  }
  throw error
}

/** What the host refused: a file that isn't there, a directory that may not be written. */
function isOfHost(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error
}
