/**
 * The wire format against the kernel's own header: every structure has the fields of its namesake, in that order, each as
 * wide, and the numbers are the header's. What an older header doesn't have yet is held against its known size.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Fields, Struct } from './struct.ts'
import * as wire from './wire.ts'

const HEADER = '/usr/include/linux/fuse.h'
const structs = Object.values(wire).filter(value => value instanceof Struct) as unknown as Struct<Fields>[]

/** Of version 7.45, as the protocol has them whatever the header here knows. */
const SIZES: Readonly<Record<string, number>> = {
  fuse_in_header: 40,
  fuse_out_header: 16,
  fuse_init_in: 64,
  fuse_init_out: 64,
  fuse_attr: 88,
  fuse_entry_out: 128,
  fuse_attr_out: 104,
  fuse_sx_time: 16,
  fuse_statx: 256,
  fuse_statx_in: 24,
  fuse_statx_out: 288,
  fuse_kstatfs: 80,
  fuse_forget_in: 8,
  fuse_forget_one: 16,
  fuse_batch_forget_in: 8,
  fuse_setattr_in: 88,
  fuse_mknod_in: 16,
  fuse_mkdir_in: 8,
  fuse_rename_in: 8,
  fuse_rename2_in: 16,
  fuse_link_in: 8,
  fuse_open_in: 8,
  fuse_open_out: 16,
  fuse_create_in: 16,
  fuse_release_in: 24,
  fuse_read_in: 40,
  fuse_write_in: 40,
  fuse_write_out: 8,
  fuse_fsync_in: 16,
  fuse_setxattr_in: 16,
  fuse_getxattr_in: 8,
  fuse_getxattr_out: 8,
  fuse_interrupt_in: 8,
  fuse_ioctl_in: 32,
  fuse_ioctl_out: 16,
  fuse_fallocate_in: 32,
  fuse_lseek_in: 24,
  fuse_lseek_out: 8,
  fuse_copy_file_range_in: 56,
  fuse_copy_file_range_out: 8,
  fuse_dirent: 24,
  fuse_direntplus: 152,
  fuse_notify_inval_inode_out: 24,
  fuse_notify_inval_entry_out: 16,
}

test('each structure has the size of the protocol', () => {
  for (const each of structs) assert.equal(each.size, SIZES[each.name], each.name)
  assert.equal(structs.length, Object.keys(SIZES).length)
})

/** Fields that got another name or another cut since the header of Linux 6.1. */
const RENAMED: ReadonlySet<string> = new Set(['fuse_init_out', 'fuse_in_header', 'fuse_open_out'])

test("each structure has the fields of the kernel's header", t => {
  if (!existsSync(HEADER)) return t.skip(`no ${HEADER} here: install linux-libc-dev`)
  const text = readFileSync(HEADER, 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '')
  let compared = 0
  for (const each of structs) {
    const body = new RegExp(`struct ${each.name} \\{([^}]*)\\}`).exec(text)?.[1]
    if (body === undefined || RENAMED.has(each.name)) continue
    const theirs: string[] = []
    for (const line of body.split(';')) {
      const found = /^\s*(?:struct\s+)?(\w+)\s+(\w+)\s*(?:\[(\d*)\])?\s*$/.exec(line)
      if (found === null || found[3] === '') continue
      theirs.push(`${typeNamed(found[1]!)} ${found[2]} ${found[3] ?? 1}`)
    }
    const ours = each.fields.map(([name, type, count = 1]) => `${widthOf(type)} ${name} ${count}`)
    assert.deepEqual(ours, theirs, each.name)
    compared++
  }
  assert.ok(compared > 30, `${compared} structures were compared`)
  for (const [name, number] of Object.entries(wire.Opcode)) {
    const found = new RegExp(`FUSE_${name}\\s*=\\s*(\\d+)`).exec(text)?.[1]
    if (found !== undefined) assert.equal(number, Number(found), name)
  }
  for (const [name, bit] of Object.entries(wire.InitBit)) {
    const found = new RegExp(`#define FUSE_${name}\\s+\\(1(?:ULL)? << (\\d+)\\)`).exec(text)?.[1]
    assert.equal(bit, Number(found), name)
  }
  for (const [name, value] of Object.entries(wire).filter(([, value]) => typeof value === 'number')) {
    const found = new RegExp(`#define (?:FUSE_)?${name}\\s+\\(1 << (\\d+)\\)`).exec(text)?.[1]
    if (found !== undefined) assert.equal(value, 1 << Number(found), name)
  }
})

function typeNamed(name: string): string {
  const plain = /^u?int(8|16|32|64)_t$/.exec(name)
  return plain === null ? name : `${plain[1]}`
}

function widthOf(type: Fields[number][1]): string {
  return typeof type === 'string' ? type.slice(1) : type.name
}

test('what is written is read back, and nothing beside it is touched', () => {
  const { Attr, EntryOut } = wire
  const word = fc.integer({ min: 0, max: 0xffff_ffff })
  const long = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
  const time = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
  const [size, nlink, mode] = [long, word, word]
  fc.assert(
    fc.property(size, nlink, mode, time, fc.integer({ min: 0, max: 7 }), (size, nlink, mode, mtime, at) => {
      const bytes = new Uint8Array(EntryOut.size + 16).fill(0xaa)
      const view = new DataView(bytes.buffer)
      const attr = {
        ino: size,
        size,
        blocks: size,
        atime: mtime,
        mtime,
        ctime: mtime,
        atimensec: nlink,
        mtimensec: nlink,
        ctimensec: nlink,
        mode,
        nlink,
        uid: mode,
        gid: nlink,
        rdev: mode,
        blksize: nlink,
      }
      Attr.write(view, at, attr)
      assert.deepEqual(Attr.read(view, at), attr)
      for (let n = 0; n < bytes.length; n++) if (n < at || n >= at + Attr.size) assert.equal(bytes[n], 0xaa)
    }),
  )
})
