/**
 * The pager's side of each call: what it does with the machine's own objects. Most calls are handed on; what concerns the
 * hardware is done beside them: a mapping gets its area, a page that a section misses is pinned, bytes go with the answer.
 */
import { FaultlineError, type Group } from '../calls/index.ts'
import type { File } from '../files/index.ts'
import type { Machine, Mapping, Space } from '../map/index.ts'
import type { Volume } from '../volumes/index.ts'
import type { Areas } from './areas.ts'
import type {
  Call,
  FileCalls,
  GroupCalls,
  MachineCalls,
  MappingCalls,
  SpaceCalls,
  VolumeCalls,
} from './calls.ts'
import type { LoopWait } from './loop-wait.ts'
import { refused } from './refused.ts'

/** A function for each call of a table, given what is called. */
export type Served<Target, Calls> = {
  readonly [Name in keyof Calls]: (
    target: Target,
    ...args: Parameters<Call<Calls, Name>>
  ) => ReturnType<Call<Calls, Name>>
}

export interface ServedCalls {
  readonly machine: Served<Machine, MachineCalls>
  readonly group: Served<Group, GroupCalls>
  readonly file: Served<File, FileCalls>
  readonly volume: Served<Volume, VolumeCalls>
  readonly space: Served<Space, SpaceCalls>
  readonly mapping: Served<Mapping, MappingCalls>
}

export function servedBy(machine: Machine, areas: Areas, loop: LoopWait): ServedCalls {
  return {
    machine: machineCalls(areas, loop),
    group: GROUP,
    file: FILE,
    volume: volumeCalls(areas, loop),
    space: spaceCalls(machine, areas),
    mapping: mappingCalls(machine, areas),
  }
}

function machineCalls(areas: Areas, loop: LoopWait): Served<Machine, MachineCalls> {
  return {
    group: (machine, ...args) => machine.group(...args),
    open: async (machine, ...args) => begun(areas, await machine.open(...args)),
    createVolume: (machine, ...args) => loop.during(() => machine.createVolume(...args)),
    openVolume: (machine, ...args) => loop.during(() => machine.openVolume(...args)),
    repairVolume: (machine, ...args) => loop.during(() => machine.repairVolume(...args)),
    space: (machine, ...args) => machine.space(...args),
    ps: (machine, ...args) => machine.ps(...args),
    check: machine => machine.check(),
    metrics: machine => machine.metrics(),
    dump: machine => machine.dump(),
    close: machine => machine.close(),
    leave: machine => machine.leave(),
    unpin: (machine, frames) => machine.engine.verbs.fault.letGo(frames),
  }
}

const GROUP: Served<Group, GroupCalls> = {
  group: (group, ...args) => group.group(...args),
  set: (group, ...args) => group.set(...args),
  read: (group, ...args) => group.read(...args),
}

const FILE: Served<File, FileCalls> = {
  size: file => file.size,
  read: async (file, length, position, options) => {
    const target = new Uint8Array(length)
    return target.subarray(0, await file.read(target, position, options))
  },
  write: (file, ...args) => file.write(...args),
  append: (file, ...args) => file.append(...args),
  truncate: (file, ...args) => file.truncate(...args),
  refresh: (file, ...args) => file.refresh(...args),
  punch: (file, ...args) => file.punch(...args),
  sync: (file, ...args) => file.sync(...args),
  close: (file, ...args) => file.close(...args),
}

/** What is done with Node's own calls: the event loop turns meanwhile. */
function volumeCalls(areas: Areas, loop: LoopWait): Served<Volume, VolumeCalls> {
  return {
    readOnly: volume => volume.readOnly,
    damage: volume => volume.damage,
    usage: volume => volume.usage,
    format: volume => volume.format,
    open: (volume, ...args) => loop.during(async () => begun(areas, await volume.open(...args))),
    create: (volume, ...args) => loop.during(() => volume.create(...args)),
    mkdir: (volume, ...args) => loop.during(() => volume.mkdir(...args)),
    mknod: (volume, ...args) => loop.during(() => volume.mknod(...args)),
    symlink: (volume, ...args) => loop.during(() => volume.symlink(...args)),
    readlink: (volume, ...args) => loop.during(() => volume.readlink(...args)),
    chmod: (volume, ...args) => loop.during(() => volume.chmod(...args)),
    chown: (volume, ...args) => loop.during(() => volume.chown(...args)),
    utimes: (volume, ...args) => loop.during(() => volume.utimes(...args)),
    listxattr: (volume, ...args) => loop.during(() => volume.listxattr(...args)),
    getxattr: (volume, ...args) => loop.during(() => volume.getxattr(...args)),
    setxattr: (volume, ...args) => loop.during(() => volume.setxattr(...args)),
    removexattr: (volume, ...args) => loop.during(() => volume.removexattr(...args)),
    seek: (volume, ...args) => loop.during(() => volume.seek(...args)),
    statfs: volume => loop.during(() => volume.statfs()),
    grow: (volume, ...args) => loop.during(() => volume.grow(...args)),
    shrink: (volume, ...args) => loop.during(() => volume.shrink(...args)),
    upgrade: (volume, ...args) => loop.during(() => volume.upgrade(...args)),
    list: (volume, ...args) => loop.during(() => volume.list(...args)),
    stat: (volume, ...args) => loop.during(() => volume.stat(...args)),
    lstat: (volume, ...args) => loop.during(() => volume.lstat(...args)),
    exists: (volume, ...args) => loop.during(() => volume.exists(...args)),
    rename: (volume, ...args) => loop.during(() => volume.rename(...args)),
    link: (volume, ...args) => loop.during(() => volume.link(...args)),
    unlink: (volume, ...args) => loop.during(() => volume.unlink(...args)),
    remove: (volume, ...args) => loop.during(() => volume.remove(...args)),
    clone: (volume, ...args) => loop.during(() => volume.clone(...args)),
    cloneRange: (volume, ...args) => loop.during(() => volume.cloneRange(...args)),
    dedupe: (volume, ...args) => loop.during(() => volume.dedupe(...args)),
    snapshot: (volume, ...args) => loop.during(() => volume.snapshot(...args)),
    fallocate: (volume, ...args) => loop.during(() => volume.fallocate(...args)),
    collapse: (volume, ...args) => loop.during(() => volume.collapse(...args)),
    insert: (volume, ...args) => loop.during(() => volume.insert(...args)),
    put: (volume, ...args) => loop.during(() => volume.put(...args)),
    getFile: (volume, ...args) => loop.during(() => volume.getFile(...args)),
    sync: volume => loop.during(() => volume.sync()),
    check: (volume, ...args) => loop.during(() => volume.check(...args)),
    close: volume => loop.during(() => volume.close()),
  }
}

function spaceCalls(machine: Machine, areas: Areas): Served<Space, SpaceCalls> {
  return {
    map: async (space, file, options) => {
      if (options?.share === 'private') throw notShared('a private mapping')
      const mapping = await space.map(file, options)
      try {
        areas.place(mapping, machine.pageSize)
      } catch (error) {
        await mapping.unmap().catch(() => {})
        throw refused(error, 'map', mapping.name)
      }
      return mapping
    },
    mapAnonymous: () => {
      throw notShared('memory')
    },
    fork: (space, ...args) => space.fork(...args),
    proc: (space, ...args) => space.proc(...args),
    status: space => space.status(),
    exit: space => space.exit(),
  }
}

function mappingCalls(machine: Machine, areas: Areas): Served<Mapping, MappingCalls> {
  return {
    bring: async (mapping, page, access, { signal }) => {
      const brought = await mapping.bring({ vpn: mapping.start + page, access }, signal)
      if (typeof brought !== 'number') throw brought
      return brought
    },
    inFork: (mapping, child) => {
      const other = mapping.inFork(child as Space)
      areas.place(other, machine.pageSize)
      return other
    },
    unmap: async mapping => {
      try {
        await mapping.unmap()
      } finally {
        areas.letGo(mapping)
      }
    },
    prefetch: (mapping, ...args) => mapping.prefetch(...args),
    sync: (mapping, ...args) => mapping.sync(...args),
    protect: (mapping, ...args) => mapping.protect(...args),
    advise: (mapping, ...args) => mapping.advise(...args),
    populate: (mapping, ...args) => mapping.populate(...args),
    lock: (mapping, ...args) => mapping.lock(...args),
    unlock: (mapping, ...args) => mapping.unlock(...args),
    resident: (mapping, ...args) => mapping.resident(...args),
  }
}

/** A file that was opened: if the host has no room for its pages, it is closed again. */
async function begun(areas: Areas, file: File): Promise<File> {
  try {
    areas.begin(file)
    return file
  } catch (error) {
    await file.close().catch(() => {})
    throw refused(error, 'open', file.name)
  }
}

function notShared(what: string): FaultlineError {
  return new FaultlineError(
    'ENOTSUP',
    'map',
    `map: a hardware machine shows shared mappings of files, not ${what}; for that start another machine with mmu 'software'`,
  )
}
