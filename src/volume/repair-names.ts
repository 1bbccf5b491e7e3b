/**
 * The tree of names, put in order: every inode is reached from the root once its names are right, or is an orphan that goes.
 *
 * Invariants   N1, N2, N5 (names.ts)
 *   RN1 What no name leads to any more is found as /lost+found/<inode>.
 *   RN3 What lies in a sealed directory is sealed (N4), and a directory knows the one that it lies in (N5).
 *   RN2 An inode that had more names than are left is told of.
 */
import { EPOCH, type Inode, newInode, planned } from './inode.ts'
import { type Link, ROOT_INO } from './records.ts'

export const LOST_AND_FOUND = '/lost+found'

export interface NameRecord extends Link {
  readonly directory: number
  readonly name: string
}

export interface NamesRepaired {
  readonly links: readonly NameRecord[]
  readonly nextIno: number
  pathOf(ino: number): string
}

export interface NamesLeft {
  /** They are put right too: links are counted, orphans and directories for what was found are taken out and put in. */
  readonly inodes: Map<number, Inode>
  readonly names: readonly NameRecord[]
  readonly orphans: ReadonlySet<number>
  /** Inodes that had to be made anew: how many names they had isn't known. */
  readonly restored: ReadonlySet<number>
  /** What inodes without names are called below /lost+found, if not by number: nothing else ever led to them. */
  readonly found: ReadonlyMap<number, string>
  readonly nextIno: number
  /** What couldn't be kept is added. */
  readonly givenUp: string[]
}

export function repairNames(left: NamesLeft): NamesRepaired {
  const { inodes, names, orphans, restored, givenUp } = left
  const root = inodes.get(ROOT_INO)
  inodes.set(ROOT_INO, root?.kind === 'directory' ? { ...root, sealed: false } : newDirectory())
  let next = Math.max(left.nextIno, ROOT_INO + 1)
  const links: NameRecord[] = []
  const byDirectory = Map.groupBy(names, ({ directory }) => directory)
  const up = new Map<number, NameRecord>()
  const keep = (link: NameRecord) => {
    links.push(link)
    if (!up.has(link.ino)) up.set(link.ino, link)
  }
  const reached = new Set<number>()
  const walk = (from: number) => {
    const directories = [from]
    for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
      reached.add(directory)
      for (const link of byDirectory.get(directory) ?? []) {
        const inode = inodes.get(link.ino)
        const again = inode?.kind === 'directory' && reached.has(link.ino)
        if (inode === undefined || again) {
          givenUp.push(
            `the name "${link.name}" in directory ${directory}: it leads to ${again ? 'a directory that has a name already' : `inode ${link.ino}, which is gone`}`,
          )
          continue
        }
        keep({ ...link, kind: inode.kind })
        if (inode.kind === 'directory') directories.push(link.ino)
        reached.add(link.ino)
      }
    }
  }
  walk(ROOT_INO)
  // Directories first: what they hold is reached through them.
  const stray = [...inodes].sort(([a, one], [b, other]) => one.kind.localeCompare(other.kind) || a - b)
  const strayed = new Set<number>()
  let found: number | undefined
  for (const [ino, { kind, links: had }] of stray) {
    if (reached.has(ino)) continue
    const name = left.found.get(ino)
    if (orphans.has(ino) || (had === 0 && name === undefined)) {
      inodes.delete(ino)
      continue
    }
    if (found === undefined) {
      found = next++
      inodes.set(found, newDirectory())
      const taken = new Set(links.filter(({ directory }) => directory === ROOT_INO).map(({ name }) => name))
      let free = LOST_AND_FOUND.slice(1)
      while (taken.has(free)) free += '+'
      keep({ directory: ROOT_INO, name: free, ino: found, kind: 'directory' })
      reached.add(found)
    }
    keep({ directory: found, name: name ?? String(ino), ino, kind })
    strayed.add(ino)
    if (name === undefined)
      givenUp.push(
        `${had > 1 && !restored.has(ino) ? `the ${had} names` : 'the name'} of inode ${ino}: it is ${pathOf(ino)} now`,
      )
    if (kind === 'directory') walk(ino)
    else reached.add(ino)
  }
  const counts = new Map<number, number>()
  for (const { ino } of links) counts.set(ino, (counts.get(ino) ?? 0) + 1)
  for (const [ino, inode] of inodes) {
    const now = counts.get(ino) ?? 0
    if (inode.kind !== 'directory' && inode.links > now && !restored.has(ino) && !strayed.has(ino))
      givenUp.push(
        `${inode.links - now} of the ${inode.links} names of inode ${ino}, which is ${pathOf(ino)}`,
      )
  }
  const below = new Map<number, number>()
  // Directories come before what is in them.
  for (const { ino, kind, directory } of links) {
    if (kind === 'directory') below.set(directory, (below.get(directory) ?? 0) + 1)
    const inode = inodes.get(ino)!
    if (inodes.get(directory)!.sealed) inodes.set(ino, { ...inode, sealed: true })
  }
  for (const [ino, inode] of inodes) {
    const isDirectory = inode.kind === 'directory'
    const count = isDirectory ? 2 + (below.get(ino) ?? 0) : (counts.get(ino) ?? 0)
    inodes.set(ino, {
      ...inode,
      links: count,
      parent: isDirectory ? (up.get(ino)?.directory ?? ROOT_INO) : 0,
    })
  }

  function pathOf(ino: number): string {
    let path = ''
    for (let link = up.get(ino); link !== undefined; link = up.get(link.directory))
      path = `/${link.name}${path}`
    return path === '' ? `inode ${ino}` : path
  }

  return { links, nextIno: next, pathOf }
}

function newDirectory(): Inode {
  return newInode(planned('directory'), { generation: 0, links: 2, now: EPOCH })
}
