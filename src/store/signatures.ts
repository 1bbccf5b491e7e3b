/**
 * What a file or a block device holds already, so that nothing is taken that wasn't given. Two are asked: a table of the
 * marks that filesystems, swap, volume managers and tables of partitions leave at fixed offsets, and blkid(8), which knows
 * more, where it is installed.
 *
 * The marks are those of util-linux (libblkid/src/superblocks and partitions).
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'
import { closeDescriptor, deviceBytes } from '../host/index.ts'
import { blockSizeIn } from '../volume/index.ts'

interface Mark {
  readonly name: string
  /** From the start, or from the end if it is below 0. */
  readonly at: Bytes
  readonly bytes: string
}

const mark = (name: string, at: Bytes, bytes: string): Mark => ({ name, at, bytes })
const KIB = 1024

const MARKS: readonly Mark[] = [
  mark('an ext2, ext3 or ext4 filesystem', 0x438, '\x53\xef'),
  mark('an XFS filesystem', 0, 'XFSB'),
  mark('a btrfs filesystem', 64 * KIB + 0x40, '_BHRfS_M'),
  ...[4, 8, 16, 32, 64].flatMap(page => [
    mark('swap', page * KIB - 10, 'SWAPSPACE2'),
    mark('swap', page * KIB - 10, 'SWAP-SPACE'),
    mark('a suspended system', page * KIB - 10, 'S1SUSPEND'),
  ]),
  ...[0, 512, 1024, 1536].map(at => mark('a physical volume of LVM', at, 'LABELONE')),
  mark('a LUKS volume', 0, 'LUKS\xba\xbe'),
  mark('a BitLocker volume', 3, '-FVE-FS-'),
  mark('a table of partitions (GPT)', 512, 'EFI PART'),
  mark('a table of partitions (GPT)', 4096, 'EFI PART'),
  mark('a table of partitions (GPT)', -512, 'EFI PART'),
  mark('a table of partitions (GPT)', -4096, 'EFI PART'),
  ...Array.from({ length: 32 }, (_, slot) => 128 * KIB + slot * KIB).flatMap(at => [
    mark('a ZFS pool', at, '\x0c\xb1\xba\0\0\0\0\0'),
    mark('a ZFS pool', at, '\0\0\0\0\0\xba\xb1\x0c'),
  ]),
  mark('a FAT filesystem', 54, 'FAT'),
  mark('a FAT filesystem', 82, 'FAT32'),
  mark('an exFAT filesystem', 3, 'EXFAT   '),
  mark('an NTFS filesystem', 3, 'NTFS    '),
  mark('an ISO 9660 filesystem', 32 * KIB + 1, 'CD001'),
  mark('a UDF filesystem', 32 * KIB + 1, 'BEA01'),
  mark('a UDF filesystem', 32 * KIB + 1, 'NSR0'),
  mark('a squashfs filesystem', 0, 'hsqs'),
  mark('an EROFS filesystem', 1024, '\xe2\xe1\xf5\xe0'),
  mark('a cramfs filesystem', 0, '\x45\x3d\xcd\x28'),
  mark('an F2FS filesystem', 1024, '\x10\x20\xf5\xf2'),
  mark('a bcachefs or bcache device', 4096 + 24, '\xc6\x85\x73\xf6\x4e\x1a\x45\xca'),
  mark('a bcachefs or bcache device', 4096 + 24, '\xc6\x85\x73\xf6\x66\xce\x90\xa9'),
  mark('a JFS filesystem', 32 * KIB, 'JFS1'),
  mark('a ReiserFS filesystem', 64 * KIB + 52, 'ReIsEr'),
  mark('a NILFS2 filesystem', 1024 + 6, '\x34\x34'),
  mark('a GFS2 filesystem', 64 * KIB, '\x01\x16\x19\x70'),
  mark('an OCFS2 filesystem', 8 * KIB, 'OCFSV2'),
  mark('an HFS+ filesystem', 1024, 'H+'),
  mark('an HFS filesystem', 1024, 'BD'),
  mark('an APFS container', 32, 'NXSB'),
  mark('a minix filesystem', 1040, '\x7f\x13'),
  mark('a minix filesystem', 1040, '\x8f\x13'),
  mark('a minix filesystem', 1040, '\x68\x24'),
  mark('a minix filesystem', 1040, '\x78\x24'),
  mark('a minix filesystem', 1048, '\x5a\x4d'),
  mark('a member of a RAID (md)', 0, '\xfc\x4e\x2b\xa9'),
  mark('a member of a RAID (md)', 4096, '\xfc\x4e\x2b\xa9'),
  mark('a member of a RAID (md)', -8 * KIB, '\xfc\x4e\x2b\xa9'),
  mark('a member of a RAID (md)', -64 * KIB, '\xfc\x4e\x2b\xa9'),
  mark('a BlueStore device of Ceph', 0, 'bluestore block device'),
  // Last: boot sectors of filesystems end so too.
  mark('a table of partitions, or a boot sector', 510, '\x55\xaa'),
]

/** How much of a file's start is looked at. */
const START: Bytes = 2 ** 20

/** Whether a file or a device begins as the data of a volume do. */
export function holdsVolume(path: string | Buffer): boolean {
  const bytes = new Uint8Array(64)
  const fd = fs.openSync(path, 'r')
  try {
    fs.readSync(fd, bytes, 0, bytes.length, 0)
  } finally {
    closeDescriptor(fd)
  }
  return blockSizeIn(bytes) !== undefined
}

/** In words what it holds; undefined: nothing that anybody knows. Of a regular file any byte counts. */
export function contentOf(path: string): string | undefined {
  const fd = fs.openSync(path, 'r')
  try {
    const stat = fs.fstatSync(fd)
    const known = MARKS.find(each => found(fd, each))?.name ?? byBlkid(path)
    if (known !== undefined || !stat.isFile()) return known
    const start = read(fd, 0, START)
    return start.some(byte => byte !== 0) ? 'something already' : undefined
  } finally {
    closeDescriptor(fd)
  }
}

function found(fd: number, { at, bytes }: Mark): boolean {
  const from = at < 0 ? sizeOf(fd) + at : at
  return from >= 0 && read(fd, from, bytes.length).toString('latin1') === bytes
}

function sizeOf(fd: number): Bytes {
  const stat = fs.fstatSync(fd)
  return stat.isBlockDevice() ? deviceBytes(stat.rdev) : stat.size
}

function read(fd: number, at: Bytes, length: Bytes): Buffer {
  const bytes = Buffer.alloc(length)
  return bytes.subarray(0, fs.readSync(fd, bytes, 0, length, at))
}

/** It ends with 0 where it has found something. */
function byBlkid(path: string): string | undefined {
  const { status, stdout } = spawnSync('blkid', ['-p', '-o', 'export', path], { encoding: 'utf8' })
  if (status !== 0) return undefined
  const kind = /^(?:TYPE|PTTYPE)=(.+)$/m.exec(stdout)?.[1]
  return kind === undefined ? undefined : `${kind} (says blkid)`
}
