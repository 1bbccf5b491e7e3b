/** The numbers of abi.ts and the places of fields that are read and written, against the headers of this system's kernel and libc. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import * as abi from './abi.ts'

const directory = fs.mkdtempSync(join(tmpdir(), 'faultline-abi-'))
after(() => fs.rmSync(directory, { recursive: true }))

const INCLUDES = [
  '<stddef.h>',
  '<stdio.h>',
  '<fcntl.h>',
  '<poll.h>',
  '<signal.h>',
  '<sys/eventfd.h>',
  '<sys/mman.h>',
  '<sys/mount.h>',
  '<sys/prctl.h>',
  '<sys/ptrace.h>',
  '<sys/socket.h>',
  '<sys/uio.h>',
  '<sys/wait.h>',
  '<linux/falloc.h>',
  '<linux/io_uring.h>',
  '<linux/memfd.h>',
  '<linux/sched.h>',
  '<sys/uio.h>',
  '<linux/userfaultfd.h>',
  '<asm/unistd.h>',
]

/** Names of ours for what the headers have no macro for, as C says it. */
const SAID_OTHERWISE: Readonly<Record<string, string>> = {
  SIGACTION_WORDS: 'sizeof(struct sigaction) / 8',
  HUGE_PAGE_BYTES: '1 << 21',
  UFFD_MSG_BYTES: 'sizeof(struct uffd_msg)',
  SYS_IO_URING_SETUP: '__NR_io_uring_setup',
  SYS_IO_URING_ENTER: '__NR_io_uring_enter',
  SYS_IO_URING_REGISTER: '__NR_io_uring_register',
  IORING_OP_READ: '(int)IORING_OP_READ',
  IORING_REGISTER_EVENTFD: '(int)IORING_REGISTER_EVENTFD',
  IO_URING_SQE_BYTES: 'sizeof(struct io_uring_sqe)',
  IO_URING_CQE_BYTES: 'sizeof(struct io_uring_cqe)',
  IO_URING_PARAMS_BYTES: 'sizeof(struct io_uring_params)',
  IO_SQRING_OFFSETS_BYTE: 'offsetof(struct io_uring_params, sq_off)',
  IO_CQRING_OFFSETS_BYTE: 'offsetof(struct io_uring_params, cq_off)',
  CMSG_BYTES: 'CMSG_SPACE(sizeof(int))',
  CMSG_DATA: '(char *)CMSG_DATA((struct cmsghdr *)4096) - (char *)4096',
}

/** What userfaultfd.ts takes as known of the layout, in C, and what it is. */
const PLACES: Readonly<Record<string, number>> = {
  'offsetof(struct uffd_msg, event)': 0,
  'offsetof(struct uffd_msg, arg.pagefault.flags)': 8,
  'offsetof(struct uffd_msg, arg.pagefault.address)': 16,
  'offsetof(struct uffd_msg, arg.pagefault.feat.ptid)': 24,
  'sizeof(struct uffdio_range)': 16,
  'sizeof(struct uffdio_api)': 24,
  'offsetof(struct uffdio_api, features)': 8,
  'sizeof(struct uffdio_register)': 32,
  'offsetof(struct uffdio_register, mode)': 16,
  'sizeof(struct uffdio_copy)': 40,
  'offsetof(struct uffdio_copy, src)': 8,
  'offsetof(struct uffdio_copy, len)': 16,
  'offsetof(struct uffdio_copy, mode)': 24,
  'offsetof(struct uffdio_copy, copy)': 32,
  'sizeof(struct uffdio_writeprotect)': 24,
  'offsetof(struct uffdio_writeprotect, mode)': 16,
  'sizeof(struct uffdio_continue)': 32,
  'offsetof(struct uffdio_continue, mode)': 16,
  'offsetof(struct uffdio_continue, mapped)': 24,
  'offsetof(struct io_uring_params, flags)': 8,
  'offsetof(struct io_sqring_offsets, tail)': 4,
  'offsetof(struct io_sqring_offsets, array)': 24,
  'offsetof(struct io_cqring_offsets, tail)': 4,
  'offsetof(struct io_cqring_offsets, cqes)': 20,
  'offsetof(struct io_uring_sqe, fd)': 4,
  'offsetof(struct io_uring_sqe, off)': 8,
  'offsetof(struct io_uring_sqe, addr)': 16,
  'offsetof(struct io_uring_sqe, len)': 24,
  'offsetof(struct io_uring_sqe, user_data)': 32,
  'offsetof(struct io_uring_cqe, res)': 8,
  'offsetof(struct sigaction, sa_flags)': 136,
}

/** What came later than the oldest headers that we meet, and with which version. */
const NEWER: Readonly<Record<string, string>> = {
  UFFDIO_CONTINUE_MODE_WP: '6.4',
  IORING_SETUP_SINGLE_ISSUER: '6.0',
  IORING_SETUP_DEFER_TASKRUN: '6.1',
}

/** What C says of each expression; undefined of a name that its headers don't have. */
function asked(expressions: readonly string[]): (bigint | undefined)[] {
  const source = join(directory, 'asks.c')
  const lines = expressions.flatMap(each => {
    const print = `  printf("%lld\\n", (long long)(${each}));`
    return /^[A-Z_a-z]+$/.test(each)
      ? [`#ifdef ${each}`, print, '#else', '  puts("none");', '#endif']
      : [print]
  })
  const text = [
    '#define _GNU_SOURCE',
    ...INCLUDES.map(each => `#include ${each}`),
    'int main(void) {',
    ...lines,
    '  return 0;',
    '}',
  ]
  fs.writeFileSync(source, `${text.join('\n')}\n`)
  const program = join(directory, 'asks')
  execFileSync('cc', ['-o', program, source], { stdio: ['ignore', 'ignore', 'pipe'] })
  return execFileSync(program, { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(line => (line === 'none' ? undefined : BigInt(line)))
}

const hasCompiler = (() => {
  try {
    asked(['1'])
    return true
  } catch {
    return false
  }
})()

describe('numbers of Linux', {
  skip: hasCompiler ? false : 'no C compiler with the headers of Linux: install gcc and linux-libc-dev',
}, () => {
  const numbers = Object.entries(abi).filter(([, value]) => typeof value === 'number')

  test('are those of the headers', () => {
    assert.ok(numbers.length > 40)
    const said = asked(numbers.map(([name]) => SAID_OTHERWISE[name] ?? name))
    for (const [at, [name, value]] of numbers.entries())
      if (said[at] !== undefined) assert.equal(BigInt(value as number), said[at], name)
      else assert.ok(name in NEWER, `no header has ${name}`)
  })

  test('of system calls are those of this processor', () => {
    const [number] = asked(['__NR_userfaultfd'])
    assert.equal(abi.SYS_USERFAULTFD[process.arch], Number(number))
  })

  test('fields lie where they are read and written', () => {
    const said = asked(Object.keys(PLACES))
    for (const [at, [what, place]] of Object.entries(PLACES).entries())
      assert.equal(said[at], BigInt(place), what)
  })
})
