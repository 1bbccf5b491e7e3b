/**
 * What the program of a workload does: operations on the files `a` and `b` and on their names, each with what it changes and
 * what it promises told to the oracle first.
 *
 * An operation is a generator: it yields what it waits for, while the machine runs and may crash at every step; nothing, if it
 * waits until there is nothing left to do. One that makes no sense where the files stand (a name that is gone, a range that isn't there) doesn't apply.
 */
import type { Bytes } from '../base/index.ts'
import { copyArgs, syncArgs, truncateArgs } from '../cache/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { faultArgs } from '../mm/index.ts'
import { frameOf, STORE } from '../mmu/index.ts'
import type { Task, Ticket } from '../sched/index.ts'
import { msyncArgs } from '../space/index.ts'
import {
  type Answer,
  bytesOf,
  daxCallArgs,
  daxChangeArgs,
  EPOCH,
  Growing,
  growingArgs,
  planned,
  preallocatingArgs,
  rangeCopyingArgs,
  remappingArgs,
  type ShiftPlan,
  Shrinking,
  shiftingArgs,
  shrinkingArgs,
  Upgrading,
  unsharingArgs,
  upgradingArgs,
  type Volume,
} from '../volume/index.ts'
import { DIRECTORY, NOWHERE, type Oracle, WHOLE } from './oracle.ts'
import { attributesInWords } from './recovery.ts'
import { BLOCKS, Broken, expectDone, expectOk, expectValue, PAGE, PAGES_MAX, type Stage } from './stage.ts'

/** Blocks that a volume that shrinks keeps free, for what is written to it afterwards. */
const SPARE_BLOCKS = 6

export type Steps = Generator<Ticket | undefined, void, void>

export interface Operation {
  readonly name: string
  /** 'persist': it changes nothing, and promises something. */
  readonly kind: 'change' | 'persist'
  applies(stage: Stage, oracle: Oracle): boolean
  /** `value` fills what it writes. */
  run(stage: Stage, oracle: Oracle, value: number): Steps
}

type Spans = (oracle: Oracle) => { readonly from: Bytes; readonly to: Bytes; readonly length: Bytes }

export function write(
  name: string,
  file: string,
  where: (size: Bytes) => { readonly position: Bytes; readonly length: Bytes },
): Operation {
  return {
    name,
    kind: 'change',
    applies: stage => stage.handles.has(file),
    *run(stage, oracle, value) {
      const { position, length } = where(oracle.size(file))
      const bytes = new Uint8Array(length).fill(value)
      const { open, file: opened } = stage.handle(file)
      oracle.write(file, position, bytes)
      const task: Task =
        opened.opened === 'dax'
          ? stage.spawn(stage.volume.daxWrite, daxCallArgs(opened, position, bytes))
          : stage.spawn(stage.engine.verbs.write, copyArgs(opened.cached, position, bytes, open.read))
      yield task.end
      expectDone(task)
    },
  }
}

export function sync(name: string, files: readonly string[]): Operation {
  return {
    name,
    kind: 'persist',
    applies: ({ handles }) => files.every(file => handles.has(file)),
    *run(stage, oracle) {
      for (const file of files) yield* syncFile(stage, oracle, file)
    },
  }
}

export function store(name: string, file: string, page: number, from: Bytes, length: Bytes): Operation {
  return {
    name,
    kind: 'change',
    applies: ({ handles }, oracle) => handles.has(file) && oracle.size(file) >= page * PAGE + from + length,
    *run(stage, oracle, value) {
      const { program, engine, mode } = stage
      const vpn = stage.handle(file).start + page
      const task = stage.spawn(
        engine.verbs.fault,
        faultArgs(program, newVmFault(vpn, 'store', program.group, 0), 'go on'),
      )
      yield task.end
      expectDone(task)
      const entry = program.table.get(vpn)
      if ((entry & STORE) === 0) throw new Broken(`the store to page ${page} of ${file} isn’t let in`)
      const bytes = new Uint8Array(length).fill(value)
      if (mode === 'cache') oracle.write(file, page * PAGE + from, bytes)
      else oracle.store(file, page * PAGE + from, bytes)
      engine.memory.frames.bytes(frameOf(entry)).set(bytes, from)
      yield
      if (mode !== 'dax-sync') return
      const flush = stage.volume.parts.disk.flush()
      yield flush
      expectOk(flush.errno, 'flush')
      oracle.promiseStored(file, page * PAGE + from, bytes)
    },
  }
}

function msync(name: string, file: string, page: number): Operation {
  return {
    name,
    kind: 'persist',
    applies: ({ handles }) => handles.has(file),
    *run(stage, oracle) {
      const start = stage.handle(file).start + page
      const task = stage.spawn(stage.engine.verbs.msync, msyncArgs(stage.program, start, start + 1))
      yield task.end
      expectDone(task)
      oracle.promise(file, { start: page * PAGE, end: (page + 1) * PAGE })
    },
  }
}

/** Lets a range of one file be what a range of another is: by sharing, or by copying what can't be shared. */
function clone(
  name: string,
  how: 'clone' | 'copy',
  source: string,
  target: string,
  spans?: Spans,
): Operation {
  const spanOf: Spans = spans ?? (oracle => ({ from: 0, to: 0, length: oracle.size(source) }))
  return {
    name,
    kind: 'change',
    applies: ({ handles }, oracle) => {
      if (!handles.has(source) || !handles.has(target)) return false
      const { from, to, length } = spanOf(oracle)
      const [size, targetSize] = [oracle.size(source), oracle.size(target)]
      const endsFiles = from + length === size && to + length >= targetSize
      return length > 0 && from + length <= size && (how === 'copy' || length % PAGE === 0 || endsFiles)
    },
    *run(stage, oracle) {
      const { volume } = stage
      const { from, to, length } = spanOf(oracle)
      const bytes = oracle.content.get(source)!.slice(from, from + length)
      if (how === 'copy') oracle.write(target, to, bytes)
      else
        oracle.change(() => {
          oracle.exact(source, { start: from, end: from + length })
          oracle.set(target, to, bytes)
        })
      const plan = { source: stage.handle(source).file, target: stage.handle(target).file, from, to, length }
      const task: Task =
        how === 'copy'
          ? stage.spawn(volume.copying, rangeCopyingArgs(plan))
          : stage.spawn(volume.remapping, remappingArgs({ how, ...plan }))
      yield task.end
      expectDone(task)
    },
  }
}

function dedupe(name: string): Operation {
  return {
    name,
    kind: 'change',
    applies: ({ handles }, oracle) =>
      handles.has('a') && handles.has('b') && oracle.size('a') >= PAGE && oracle.size('b') >= PAGE,
    *run(stage, oracle) {
      const files = { source: stage.handle('a').file, target: stage.handle('b').file }
      const plan = { how: 'dedupe' as const, ...files, from: 0, to: 0, length: PAGE }
      const task = stage.spawn(stage.volume.remapping, remappingArgs(plan))
      yield task.end
      expectDone(task)
      const [one, other] = ['a', 'b'].map(file => oracle.content.get(file)!.subarray(0, PAGE))
      if (task.args.differs !== (Buffer.compare(one!, other!) !== 0))
        throw new Broken(`dedupe says that the pages ${task.args.differs ? 'differ' : 'are the same'}`)
    },
  }
}

/** Shared blocks get one owner each, and nothing that can be read changes. */
function unshare(name: string): Operation {
  return {
    name,
    kind: 'change',
    applies: ({ handles }, oracle) => handles.has('b') && oracle.size('b') > 0,
    *run(stage, oracle) {
      const plan = { file: stage.handle('b').file, position: 0, length: oracle.size('b') }
      const task = stage.spawn(stage.volume.unsharing, unsharingArgs(plan))
      yield task.end
      expectDone(task)
    },
  }
}

function truncate(name: string, size: Bytes): Operation {
  return {
    name,
    kind: 'change',
    applies: ({ handles }) => handles.has('a'),
    *run(stage, oracle) {
      oracle.change(() => oracle.resize('a', size))
      const { file } = stage.handle('a')
      const { volume, engine } = stage
      const task: Task =
        file.opened === 'dax'
          ? stage.spawn(volume.daxChange, daxChangeArgs({ how: 'resize', file, size }))
          : stage.spawn(engine.verbs.truncate, truncateArgs(file.cached, { size }))
      yield task.end
      expectDone(task)
    },
  }
}

function punch(name: string, position: Bytes, endOf: (size: Bytes) => Bytes): Operation {
  return {
    name,
    kind: 'change',
    applies: ({ handles }, oracle) =>
      handles.has('a') && oracle.size('a') >= endOf(oracle.size('a')) && endOf(oracle.size('a')) > position,
    *run(stage, oracle) {
      const length = endOf(oracle.size('a')) - position
      oracle.change(() => oracle.punch('a', { start: position, end: position + length }))
      const { file } = stage.handle('a')
      const { volume, engine } = stage
      const task: Task =
        file.opened === 'dax'
          ? stage.spawn(volume.daxChange, daxChangeArgs({ how: 'punch', file, position, length }))
          : stage.spawn(engine.verbs.truncate, truncateArgs(file.cached, { position, length }))
      yield task.end
      expectDone(task)
    },
  }
}

function fallocate(name: string, how: 'allocate' | 'zero', position: Bytes, length: Bytes): Operation {
  return {
    name,
    kind: 'change',
    applies: ({ handles }) => handles.has('a'),
    *run(stage, oracle) {
      const end = position + length
      oracle.change(() => {
        if (how === 'zero') oracle.zero('a', { start: position, end })
        if (end > oracle.size('a')) oracle.resize('a', end)
      })
      const { file } = stage.handle('a')
      const plan = { file, position, length, how, size: 'grows' as const }
      const task = stage.spawn(stage.volume.preallocating, preallocatingArgs(plan))
      yield task.end
      expectDone(task)
    },
  }
}

/** A page in the midst of a file is taken out, or put in. */
function shift(how: ShiftPlan['how']): Operation {
  const by = how === 'insert' ? PAGE : -PAGE
  return {
    name: how,
    kind: 'change',
    applies: ({ handles }, oracle) =>
      handles.has('a') && oracle.size('a') > 2 * PAGE && oracle.size('a') + by <= PAGES_MAX * PAGE,
    *run(stage, oracle) {
      oracle.change(() => {
        const old = oracle.content.get('a')!
        const now = new Uint8Array(old.length + by)
        now.set(old.subarray(0, PAGE))
        if (how === 'insert') now.set(old.subarray(PAGE), 2 * PAGE)
        else now.set(old.subarray(2 * PAGE), PAGE)
        oracle.content.set('a', now)
        oracle.exact('a', { start: PAGE, end: WHOLE.end })
        oracle.sizes('a', () => now.length)
        oracle.moved('a', page => {
          const to = page === 0 ? 0 : page + by / PAGE
          return (page > 0 && to < 1) || to >= PAGES_MAX ? NOWHERE : to
        })
      })
      const { file } = stage.handle('a')
      const plan = { how, file, position: PAGE, length: PAGE }
      const task = stage.spawn(stage.volume.shifting, shiftingArgs(plan))
      yield task.end
      expectDone(task)
    },
  }
}

/** A change of names: `change` makes the map of names what it is to be. */
function name(
  words: string,
  applies: (oracle: Oracle) => boolean,
  perform: (stage: Stage, oracle: Oracle, names: Map<string, string>) => void,
): Operation {
  return {
    name: words,
    kind: 'change',
    applies: (_, oracle) => applies(oracle),
    *run(stage, oracle) {
      oracle.change(() => {
        const names = new Map(oracle.names)
        perform(stage, oracle, names)
        oracle.names = names
      })
      yield
    },
  }
}

function rename(words: string, file: string, to: string): Operation {
  return name(
    words,
    oracle => pathOf(oracle, file) !== undefined && oracle.names.get(to) !== file,
    ({ volume }, oracle, names) => {
      const from = pathOf(oracle, file)!
      expectOk(volume.rename(from, to).errno, `rename ${from} ${to}`)
      names.delete(from)
      names.set(to, file)
    },
  )
}

function unlink(words: string, file: string): Operation {
  return name(
    words,
    oracle => pathOf(oracle, file) !== undefined,
    ({ volume }, oracle, names) => {
      const path = pathOf(oracle, file)!
      expectOk(volume.unlink(path).errno, `unlink ${path}`)
      names.delete(path)
    },
  )
}

/** A change of what a file is beside its bytes and names; `act` is told the number of its inode. */
function attribute(
  words: string,
  file: string,
  act: (volume: Volume, ino: number) => Answer<unknown>,
): Operation {
  return {
    name: words,
    kind: 'change',
    applies: (_, oracle) => pathOf(oracle, file) !== undefined,
    *run({ volume }, oracle) {
      const { ino } = expectValue(volume.stat(pathOf(oracle, file)!), words)
      oracle.change(() => {
        expectOk(act(volume, ino).errno, words)
        oracle.attribute(file, attributesInWords(volume, ino))
      })
      yield
    },
  }
}

/** The end of a file's life in the machine: synced, unmapped, closed. */
function close(words: string, file: string): Operation {
  return {
    name: words,
    kind: 'change',
    applies: ({ handles }) => handles.has(file),
    run: (stage, oracle) => closeFile(stage, oracle, file),
  }
}

function* closeFile(stage: Stage, oracle: Oracle, file: string): Steps {
  yield* syncFile(stage, oracle, file)
  const { volume, engine, program } = stage
  const { start, file: opened } = stage.handle(file)
  const unmap = stage.spawn(engine.verbs.unmap, { space: program, start, end: start + 8 })
  yield unmap.end
  expectDone(unmap)
  stage.handles.delete(file)
  if (opened.opened === 'dax') expectOk(volume.closeDax(opened).errno, `close ${file}`)
  else {
    volume.close(opened)
    const forget = stage.spawn(engine.verbs.forget, { file: opened.cached })
    yield forget.end
    expectDone(forget)
    expectOk(volume.forget(opened).errno, `close ${file}`)
  }
  yield
}

/** The volume becomes as small as what it holds allows, so that much of that moves. None of its files is open meanwhile. */
const SHRINK: Operation = {
  name: 'shrink',
  kind: 'change',
  // Blocks that may be mapped stay where they are.
  applies: ({ mode, volume, handles }, oracle) =>
    mode === 'cache' &&
    smallest(volume) < volume.header.blocks &&
    [...handles.keys()].every(file => pathOf(oracle, file)),
  *run(stage, oracle) {
    const files = [...stage.handles.keys()]
    for (const file of files) yield* closeFile(stage, oracle, file)
    // What was freed is free after a commit.
    yield* COMMIT.run(stage, oracle, 0)
    const { volume } = stage
    const blocks = smallest(volume)
    const task = stage.spawn(new Shrinking(), shrinkingArgs(volume, blocks))
    yield task.end
    expectDone(task)
    oracle.promiseChanges()
    if (volume.header.blocks !== blocks)
      throw new Broken(`${volume.header.blocks} blocks are left, expected ${blocks}`)
    for (const file of files) stage.open(pathOf(oracle, file)!, file)
    yield
  },
}

function smallest({ usage }: Volume): number {
  return 1 + usage.used + SPARE_BLOCKS
}

/** The volume takes all of its device. */
const GROW: Operation = {
  name: 'grow',
  kind: 'change',
  applies: ({ volume }) => volume.header.blocks < BLOCKS,
  *run(stage, oracle) {
    const task = stage.spawn(new Growing(), growingArgs(stage.volume, BLOCKS))
    yield task.end
    expectDone(task)
    oracle.promiseChanges()
  },
}

/** What a volume of format 1 needs before anything of it may be changed. */
export const UPGRADE: Operation = {
  name: 'upgrade',
  kind: 'persist',
  applies: () => true,
  *run(stage, oracle) {
    const task = stage.spawn(
      new Upgrading(),
      upgradingArgs({ volume: stage.volume, uid: 0, gid: 0, now: EPOCH }),
    )
    yield task.end
    expectDone(task)
    oracle.promiseChanges()
  },
}

function* syncFile(stage: Stage, oracle: Oracle, file: string): Steps {
  const opened = stage.handle(file)
  if (opened.file.opened === 'dax') {
    const commit = stage.volume.sync()
    yield commit
    expectOk(commit.complete ? commit.errno : -1, 'sync')
    for (const name of stage.handles.keys()) oracle.promise(name)
  } else {
    const { cached } = opened.file
    const task = stage.spawn(stage.engine.verbs.sync, syncArgs(cached, 0, Infinity, opened.open))
    yield task.end
    expectDone(task)
    oracle.promise(file)
  }
}

function pathOf({ names }: Oracle, file: string): string | undefined {
  for (const [path, name] of names) if (name === file) return path
  return undefined
}

function tailOf(oracle: Oracle): ReturnType<Spans> {
  return { from: PAGE, to: 2 * PAGE, length: oracle.size('a') - PAGE }
}

/** Everything that has changed becomes durable; dirty pages don't. */
export const COMMIT: Operation = {
  name: 'commit',
  kind: 'persist',
  applies: () => true,
  *run(stage, oracle) {
    const commit = stage.volume.sync()
    yield commit
    expectOk(commit.complete ? commit.errno : -1, 'commit')
    oracle.promiseChanges()
  },
}

export const OPERATIONS: readonly Operation[] = [
  write('write-head', 'a', () => ({ position: 0, length: PAGE })),
  write('write-across', 'a', () => ({ position: PAGE - 100, length: 200 })),
  write('write-grow', 'a', size => ({ position: size, length: PAGE + 50 })),
  write('write-far', 'a', () => ({ position: 5 * PAGE + 10, length: 100 })),
  write('write-b', 'b', () => ({ position: PAGE, length: PAGE })),
  store('store-head', 'a', 0, 0, PAGE),
  store('store-part', 'a', 1, 100, 100),
  store('store-tail', 'a', 2, 0, 50),
  store('store-b', 'b', 0, 3000, 1000),
  clone('clone', 'clone', 'a', 'b'),
  clone('clone-back', 'clone', 'b', 'a'),
  clone('clone-head', 'clone', 'a', 'b', () => ({ from: 0, to: PAGE, length: PAGE })),
  clone('clone-tail', 'clone', 'a', 'b', tailOf),
  clone('clone-self', 'clone', 'a', 'a', () => ({ from: 0, to: 4 * PAGE, length: PAGE })),
  clone('copy-part', 'copy', 'a', 'b', () => ({ from: 100, to: PAGE - 50, length: 200 })),
  dedupe('dedupe'),
  unshare('unshare'),
  truncate('truncate-cut', PAGE + 100),
  truncate('truncate-zero', 0),
  truncate('truncate-grow', 6 * PAGE + 7),
  punch('punch-part', PAGE - 100, () => 2 * PAGE - 100),
  punch('punch-page', PAGE, () => 2 * PAGE),
  punch('punch-end', PAGE, size => size),
  fallocate('fallocate', 'allocate', 2 * PAGE, 3 * PAGE),
  fallocate('zero-range', 'zero', PAGE - 100, 2 * PAGE),
  shift('collapse'),
  shift('insert'),
  rename('rename-new', 'b', '/c'),
  rename('rename-over', 'a', '/b'),
  rename('rename-into', 'b', '/d/b'),
  unlink('unlink-a', 'a'),
  unlink('unlink-b', 'b'),
  name(
    'link',
    oracle => pathOf(oracle, 'a') !== undefined && !oracle.names.has('/l'),
    ({ volume }, oracle, names) => {
      expectOk(volume.link(pathOf(oracle, 'a')!, '/l').errno, 'link')
      names.set('/l', 'a')
    },
  ),
  name(
    'create',
    oracle => !oracle.names.has('/d/n'),
    ({ volume }, oracle, names) => {
      expectValue(volume.create('/d/n', 'file'), 'create')
      oracle.content.set('n', new Uint8Array(0))
      names.set('/d/n', 'n')
    },
  ),
  name(
    'mkdir',
    oracle => !oracle.names.has('/e'),
    ({ volume }, _, names) => {
      expectValue(volume.create('/e', 'directory'), 'mkdir')
      names.set('/e', DIRECTORY)
    },
  ),
  name(
    'exchange',
    oracle => pathOf(oracle, 'a') !== undefined && pathOf(oracle, 'b') !== undefined,
    ({ volume }, oracle, names) => {
      const [a, b] = [pathOf(oracle, 'a')!, pathOf(oracle, 'b')!]
      expectOk(volume.rename(a, b, 'exchange').errno, `exchange ${a} ${b}`)
      names.set(a, 'b')
      names.set(b, 'a')
    },
  ),
  name(
    'symlink',
    oracle => !oracle.names.has('/d/s'),
    ({ volume }, oracle, names) => {
      const target = `../${'x'.repeat(2000)}`
      expectValue(volume.create('/d/s', { ...planned('symlink'), target }), 'symlink')
      oracle.content.set('s', bytesOf(target))
      oracle.attribute('s', 'symlink 777')
      names.set('/d/s', 's')
    },
  ),
  attribute('chmod', 'a', ({ inodes }, ino) => inodes.setattr(ino, { mode: 0o4711 }, EPOCH)),
  attribute('setxattr', 'a', ({ inodes }, ino) =>
    inodes.setxattr(ino, 'user.note', new Uint8Array(2500).fill(ino), 'set', EPOCH),
  ),
  attribute('chown', 'a', ({ inodes }, ino) => inodes.setattr(ino, { uid: 7, gid: 8 }, EPOCH)),
  attribute('utimes', 'a', ({ inodes }, ino) =>
    inodes.setattr(
      ino,
      { atime: { seconds: -5, nanoseconds: 6 }, mtime: { seconds: 7, nanoseconds: 8 } },
      EPOCH,
    ),
  ),
  attribute('setxattr-short', 'a', ({ inodes }, ino) =>
    inodes.setxattr(ino, 'user.note', new Uint8Array(3).fill(ino), 'set', EPOCH),
  ),
  {
    ...attribute('removexattr', 'a', ({ inodes }, ino) => inodes.removexattr(ino, 'user.note', EPOCH)),
    applies: (_, oracle) =>
      pathOf(oracle, 'a') !== undefined && oracle.attributesOf('a').includes('user.note='),
  },
  name(
    'mknod',
    oracle => !oracle.names.has('/d/k'),
    ({ volume }, oracle, names) => {
      expectValue(volume.create('/d/k', { ...planned('char device'), mode: 0o600, rdev: 0x103 }), 'mknod')
      oracle.content.set('k', new Uint8Array(0))
      oracle.attribute('k', 'char device 600 rdev 259')
      names.set('/d/k', 'k')
    },
  ),
  SHRINK,
  GROW,
  close('close-a', 'a'),
  close('close-b', 'b'),
  sync('fsync-a', ['a']),
  sync('fsync-b', ['b']),
  sync('sync', ['a', 'b']),
  msync('msync-head', 'a', 0),
  COMMIT,
  UPGRADE,
]

export function operationNamed(name: string): Operation | undefined {
  return OPERATIONS.find(each => each.name === name)
}
