/**
 * A daemon whose disk doesn't answer: after SIGUSR2 the next read of data is never ended, until SIGUSR2 comes again. Otherwise it is
 * the command line itself.
 */
import fs from 'node:fs'

type Call = (...args: unknown[]) => void

const calls = fs as unknown as Record<'read' | 'readv', Call>
let holds: 'nothing' | 'the next read' | 'a read' = 'nothing'
let held: () => void = () => {}

for (const name of ['read', 'readv'] as const) {
  const real = calls[name]
  calls[name] = (...args) => {
    if (holds !== 'the next read') {
      real(...args)
      return
    }
    holds = 'a read'
    held = () => real(...args)
    process.stderr.write('held\n')
  }
}

process.on('SIGUSR2', () => {
  if (holds === 'nothing') {
    holds = 'the next read'
    process.stderr.write('holding\n')
    return
  }
  holds = 'nothing'
  held()
})

await import('../cli/main.ts')
