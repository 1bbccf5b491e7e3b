/** faultline volume chmod, chown, touch, ln, readlink, mknod, attr and upgrade: what a volume's files are, beside what they hold. */
import { Command, InvalidArgumentError, Option } from 'commander'
import type { Volume } from '../volumes/index.ts'
import { explained, printJson, printLine } from './terminal.ts'
import { inVolume } from './volume-open.ts'
import { count, nameOf, volumePath } from './words.ts'

const ID_MAX = 2 ** 32 - 2

interface LinkWords {
  readonly link?: true
}

/** Commands that change one thing, and say nothing when they have. */
export function attributeCommands(): Command[] {
  return [
    changing('chmod', 'set who may do what with a file', [
      'volume chmod data.vol 0644 /a',
      'volume chmod data.vol 4755 /bin/su',
    ])
      .argument('<mode>', 'as octal digits', mode)
      .argument('<path>', 'a path of the volume, from /', volumePath)
      .action(acting('chmod', (volume, bits: number, path: string) => volume.chmod(path, bits))),
    links(
      changing('chown', 'set whose a file is', [
        'volume chown data.vol 1000:1000 /a',
        'volume chown data.vol 0:0 /link --link',
      ])
        .argument('<owner>', 'numbers of a user and a group: 1000:100', owner)
        .argument('<path>', 'a path of the volume, from /', volumePath),
    ).action(
      acting('chown', (volume, { uid, gid }: Owner, path: string, words: LinkWords) =>
        volume.chown(path, uid, gid, linkOf(words)),
      ),
    ),
    links(
      changing('touch', 'set when a file was read and changed', [
        'volume touch data.vol /a',
        'volume touch data.vol /a --date 2026-01-31T12:00:00Z',
      ])
        .argument('<path>', 'a path of the volume, from /', volumePath)
        .addOption(new Option('-d, --date <time>', 'the time, in place of now').argParser(date)),
    ).action(
      acting('touch', async (volume, path: string, words: LinkWords & { readonly date?: Date }) => {
        const time = words.date ?? new Date()
        await volume.utimes(path, { atime: time, mtime: time }, linkOf(words))
      }),
    ),
    changing('ln', 'give a file another name, or make a symbolic link', [
      'volume ln data.vol /a /b',
      'volume ln data.vol ../a /d/link --symbolic',
    ])
      .argument('<target>', 'a path of the volume; of a symbolic link whatever it is to lead to')
      .argument('<path>', 'the new name, from /', volumePath)
      .option('-s, --symbolic', 'make a symbolic link')
      .action(
        acting('ln', (volume, target: string, path: string, { symbolic }: { readonly symbolic?: true }) =>
          symbolic === true ? volume.symlink(target, path) : volume.link(target, path),
        ),
      ),
    changing('mknod', 'make a FIFO, a socket or a device', [
      'volume mknod data.vol /queue fifo',
      'volume mknod data.vol /null char 1 3 --mode 0666',
    ])
      .argument('<path>', 'a path of the volume, from /', volumePath)
      .argument('<kind>', 'fifo, socket, block or char', nameOf(KINDS, 'kinds'))
      .argument('[major]', 'of a device', count(0, 4095))
      .argument('[minor]', 'of a device', count(0, 2 ** 20 - 1))
      .addOption(new Option('-m, --mode <mode>', 'as octal digits').default(0o644, '644').argParser(mode))
      .action(
        acting(
          'mknod',
          (
            volume,
            path: string,
            kind: (typeof KINDS)[number],
            major: number | undefined,
            minor: number | undefined,
            words: { readonly mode: number },
          ) =>
            volume.mknod(path, {
              kind: kindOf(kind),
              major: major ?? 0,
              minor: minor ?? 0,
              mode: words.mode,
            }),
        ),
      ),
    changing('upgrade', 'make a volume of format 1 one of format 2, in place', [
      'volume upgrade data.vol',
      'volume upgrade data.vol --json',
    ])
      .addOption(
        new Option(
          '--owner <owner>',
          'whose everything in it is to be: 1000:100; yours if left out',
        ).argParser(owner),
      )
      .action(
        acting('upgrade', async (volume, words: { readonly owner?: Owner }) => {
          const from = volume.format
          await volume.upgrade(words.owner)
          return { from, to: volume.format }
        }),
      ),
  ]
}

export function readlinkCommand(): Command {
  const command = new Command('readlink')
    .description('say where a symbolic link leads')
    .argument('<volume>')
    .argument('<path>', 'a path of the volume, from /', volumePath)
    .option('--json', 'print it as JSON')
    .action((path: string, link: string, { json }: { readonly json?: true }) =>
      inVolume(path, 'r', async volume => {
        const target = await volume.readlink(link)
        if (json === true) printJson({ path: link, target })
        else printLine(target)
      }),
    )
  return explained(command, ['volume readlink data.vol /link'])
}

interface AttrWords extends LinkWords {
  readonly set?: string
  readonly remove?: true
  readonly json?: true
}

export function attrCommand(): Command {
  const command = links(
    new Command('attr')
      .description('list the extended attributes of a file; print, set or remove one')
      .argument('<volume>')
      .argument('<path>', 'a path of the volume, from /', volumePath)
      .argument('[name]', 'such as user.note')
      .option('--set <text>', 'let it hold this')
      .addOption(new Option('--remove', 'remove it').conflicts('set'))
      .option('--json', 'print it as JSON, with values in base64'),
  ).action(attr)
  return explained(command, [
    'volume attr data.vol /a',
    'volume attr data.vol /a user.note --set Monday',
    'volume attr data.vol /a user.note',
    'volume attr data.vol /a user.note --remove',
  ])
}

async function attr(path: string, file: string, name: string | undefined, words: AttrWords): Promise<void> {
  const isChange = words.set !== undefined || words.remove === true
  if (isChange && name === undefined)
    throw new InvalidArgumentError('--set and --remove need the name of an attribute.')
  await inVolume(path, isChange ? 'r+' : 'r', async volume => {
    const link = linkOf(words)
    if (words.set !== undefined) await volume.setxattr(file, name!, Buffer.from(words.set), link)
    if (words.remove === true) await volume.removexattr(file, name!, link)
    if (isChange) {
      await volume.sync()
      if (words.json === true) printJson({ attr: { path: file, name } })
      return
    }
    const names = name === undefined ? await volume.listxattr(file, link) : [name]
    const values: Record<string, string> = {}
    for (const each of names) {
      const value = Buffer.from(await volume.getxattr(file, each, link))
      values[each] = value.toString('base64')
      if (words.json === true) continue
      printLine(name === undefined ? `${each}=${value.toString('latin1')}` : value.toString('latin1'))
    }
    if (words.json === true) printJson(values)
  })
}

const KINDS = ['fifo', 'socket', 'block', 'char'] as const

interface Owner {
  readonly uid: number
  readonly gid: number
}

function changing(name: string, about: string, examples: readonly string[]): Command {
  const command = new Command(name).description(about).argument('<volume>')
  return explained(command.option('--json', 'print what was done as JSON'), examples)
}

function links(command: Command): Command {
  return command.option('-l, --link', 'of a symbolic link take the link itself')
}

/** Opens the volume, does it, and makes it durable. */
function acting<Words extends readonly unknown[]>(
  name: string,
  act: (volume: Volume, ...words: Words) => Promise<unknown>,
): (path: string, ...words: unknown[]) => Promise<void> {
  return async (path, ...given) => {
    // Commander adds the command itself.
    const words = given.slice(0, -1)
    const said = await inVolume(path, 'r+', async volume => {
      const more = await act(volume, ...(words as unknown as Words))
      await volume.sync()
      return more
    })
    const { json } = words.at(-1) as { readonly json?: true }
    if (json === true) printJson({ [name]: { volume: path, ...(said as object | undefined) } })
  }
}

function linkOf({ link }: LinkWords) {
  return { link: link === true ? ('itself' as const) : ('followed' as const) }
}

function kindOf(kind: (typeof KINDS)[number]) {
  return kind === 'block' || kind === 'char' ? (`${kind} device` as const) : kind
}

function mode(text: string): number {
  if (!/^[0-7]{1,5}$/.test(text) || Number.parseInt(text, 8) > 0o7777)
    throw new InvalidArgumentError('expected octal digits from 0 to 7777.')
  return Number.parseInt(text, 8)
}

function owner(text: string): Owner {
  const [uid, gid, ...more] = text.split(':')
  if (uid === undefined || gid === undefined || more.length > 0)
    throw new InvalidArgumentError('expected the numbers of a user and a group, such as 1000:100.')
  return { uid: count(0, ID_MAX)(uid), gid: count(0, ID_MAX)(gid) }
}

function date(text: string): Date {
  const time = new Date(text)
  if (Number.isNaN(time.getTime()))
    throw new InvalidArgumentError('expected a time such as 2026-01-31T12:00:00Z.')
  return time
}
