/**
 * The command `faultline` as commander knows it. Each program is a file of its own, loaded when its name is said; what they
 * do lives in the rooms below.
 */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { columns, printableLines } from './terminal.ts'

interface Program {
  readonly name: string
  readonly about: string
  load(): Promise<Command>
}

const PROGRAMS: readonly Program[] = [
  {
    name: 'demo',
    about: 'play the experiment under each lock discipline on a real file, and compare',
    load: async () => (await import('./demo.ts')).demoCommand(),
  },
  {
    name: 'lab',
    about: 'try the designs of the fault path out: every interleaving, and simulated time',
    load: async () => (await import('./lab.ts')).labCommand(),
  },
  {
    name: 'observe',
    about: 'find mmap_lock priority inversions in kernel traces',
    load: async () => (await import('./observe.ts')).observeCommand(),
  },
  {
    name: 'volume',
    about: 'filesystems whose files share blocks: make, fill, clone, check and mend them',
    load: async () => (await import('./volume.ts')).volumeCommand(),
  },
  {
    name: 'mount',
    about: 'mount a volume as a filesystem of this computer (Linux)',
    load: async () => (await import('./mount.ts')).mountCommand(),
  },
  {
    name: 'umount',
    about: 'unmount a volume, and wait until all of it is durable',
    load: async () => (await import('./mount.ts')).umountCommand(),
  },
]

const HELP = `
Examples:
  $ faultline demo                                  the inversion and its end, on this computer
  $ faultline volume create data.vol --size 1GiB
  $ faultline mount data.vol /mnt/data
  $ faultline observe analyze trace.txt
  $ faultline lab explore --help                    the help of one command

Exit status: 0 done; 1 it could not be done, or found what it looked for; 2 the words were wrong.`

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** `words`: of the command line; with none, or with `help`, every program is loaded. */
export async function program(words: readonly string[]): Promise<Command> {
  const main = new Command('faultline')
    .description('Memory-mapped files bigger than memory, whose faults hold no lock while they wait for I/O.')
    .version(version(), '-V, --version', 'print the version')
    .addHelpText('after', HELP)
  const said = words.find(word => !word.startsWith('-'))
  for (const { name, about, load } of PROGRAMS) {
    const isWanted = said === undefined || said === name
    main.addCommand((isWanted ? await load() : new Command(name)).description(about))
  }
  polish(main, words.includes('--json'))
  return main
}

/** What holds for every command: how it is refused, and how wide its help is. */
function polish(command: Command, isJson: boolean): void {
  command
    .helpCommand(false)
    .exitOverride()
    .showSuggestionAfterError()
    .allowExcessArguments(false)
    .configureHelp({ helpWidth: columns(), subcommandTerm: each => each.name() })
    .configureOutput({
      outputError: (text, write) => {
        const message = text.replace(/^error: /, '').trim()
        write(
          isJson
            ? errorJson('ERR_WORDS', message)
            : `faultline: ${printableLines(message)}\n${hint(command)}`,
        )
      },
    })
  for (const each of command.commands) polish(each, isJson)
}

function hint(command: Command): string {
  const names: string[] = []
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name())
  return `See: ${names.join(' ')} --help\n`
}

/** What a script reads of an error. */
export function errorJson(code: string, message: string): string {
  return `${JSON.stringify({ error: { code, message } })}\n`
}
