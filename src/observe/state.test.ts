/**
 * What dumps of tasks tell: recordings of 6.18 with their truth, from ../shared/traces, and the forms of older kernels, other
 * machines and other tools. Nothing told of a state is certain.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { LOGS, SAME } from './forms.fixture.ts'
import { type AnalyzedFiles, accountText, analyze } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-state-'))
after(() => rmSync(folder, { recursive: true }))

const DUMPS = join(import.meta.dirname, '..', '..', '..', 'shared', 'traces', 'dumps')

async function told(
  ...paths: string[]
): Promise<{ readonly chains: string[]; readonly account: AnalyzedFiles }> {
  const account = await analyze(paths, { thresholdMs: 50 })
  const chains = account.openWaits.map(({ chain, cause }) => {
    for (const each of [...chain, cause]) assert.notEqual(each.certainty, 'certain')
    return [...chain.map(link => link.comm), cause.kind].join(' <- ')
  })
  return { chains: chains.sort(), account }
}

async function ofText(text: string): Promise<{ readonly chains: string[]; readonly account: AnalyzedFiles }> {
  const path = join(folder, 'dump.txt')
  writeFileSync(path, text)
  return told(path)
}

const MONITORS = ['cmdline', 'environ', 'maps', 'numa_maps', 'pagemap', 'pvr', 'smaps', 'smaps_rollup']
for (const [path, chains] of [
  [
    'btrfs-munmap/dmesg.txt',
    ['m-pvr', 'w-exit', 'w-mincore'].map(each => `${each} <- w-munmap <- w-store <- writeback`),
  ],
  [
    'btrfs-munmap/proc-stacks.txt',
    [...MONITORS.map(each => `m-${each}`), 'w-exit', 'w-mincore'].map(
      each => `${each} <- w-munmap <- w-store <- writeback`,
    ),
  ],
  ['procmem-debugger/dmesg.txt', ['m-pvr <- debugger <- page read']],
  [
    'procmem-debugger/proc-stacks.txt',
    ['m-cmdline', 'm-pvr', 'm-smaps'].map(each => `${each} <- v-main <- debugger <- page read`),
  ],
  ['two-faulters-one-holder/dmesg.txt', ['w-mprotect <- w-store <- freeze']],
  ['two-faulters-one-holder/proc-stacks.txt', ['m-cmdline <- w-mprotect <- w-store <- freeze']],
] as const)
  test(`${path}: the chains of the truth`, {
    skip: existsSync(join(DUMPS, path)) ? false : 'needs ../shared/traces/dumps',
  }, async () => {
    const { account, chains: seen } = await told(join(DUMPS, path))
    assert.deepEqual(seen, [...chains].sort())
    assert.ok(account.conclusive)
    assert.match(accountText(account, 50), /To be sure/)
  })

test('a reader that the kernel says waits for a reader: the writer between them is missing, and that is said', {
  skip: existsSync(DUMPS) ? false : 'needs ../shared/traces/dumps',
}, async () => {
  const { account } = await told(join(DUMPS, 'procmem-debugger/dmesg.txt'))
  assert.match(account.openWaits[0]!.chain[1]!.why, /a writer that is not in the dump queued between them/)
})

const RHEL7 = `
[12960.123456] INFO: task ps:4711 blocked for more than 120 seconds.
[12960.123460] "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.
[12960.123462] ps              D ffff88003fd13f80     0  4711   4000 0x00000080
[12960.123466]  ffff880036d4bd28 0000000000000082 ffff88003704ce70 ffff880036d4bfd8
[12960.123470] Call Trace:
[12960.123475]  [<ffffffff816a94c9>] schedule+0x29/0x70
[12960.123479]  [<ffffffff816aae1d>] rwsem_down_read_failed+0x10d/0x1a0
[12960.123483]  [<ffffffff81332038>] call_rwsem_down_read_failed+0x18/0x30
[12960.123487]  [<ffffffff816a8a80>] down_read+0x20/0x40
[12960.123490]  [<ffffffff811b2a3c>] __access_remote_vm+0x4c/0x1f0
[12960.123494]  [<ffffffff8127c3d6>] ? proc_pid_cmdline_read+0x66/0x590
[12960.123497]  [<ffffffff8127c47a>] proc_pid_cmdline_read+0x10a/0x590
[12960.123500]  [<ffffffff81200bac>] vfs_read+0x9c/0x170
[12960.123510] INFO: task java:4100 blocked for more than 120 seconds.
[12960.123512] java            D ffff88003fd93f80     0  4100      1 0x00000080
[12960.123514] Call Trace:
[12960.123517]  [<ffffffff816a94c9>] schedule+0x29/0x70
[12960.123519]  [<ffffffff816ab29d>] rwsem_down_write_failed+0x10d/0x1a0
[12960.123521]  [<ffffffff81332067>] call_rwsem_down_write_failed+0x17/0x30
[12960.123523]  [<ffffffff816a8acd>] down_write+0x2d/0x3d
[12960.123525]  [<ffffffff811b9d9c>] vm_munmap+0x2c/0x60
[12960.123527]  [<ffffffff811bb082>] SyS_munmap+0x22/0x30
[12960.123530] INFO: task java:4101 blocked for more than 120 seconds.
[12960.123532] java            D ffff88003fd53f80     0  4101      1 0x00000080
[12960.123534] Call Trace:
[12960.123537]  [<ffffffff816a94c9>] schedule+0x29/0x70
[12960.123539]  [<ffffffff811855a1>] wait_on_page_bit+0x81/0xa0
[12960.123541]  [<ffffffff811856d2>] wait_on_page_writeback+0x32/0x40
[12960.123543]  [<ffffffffa0321c9c>] ext4_page_mkwrite+0x22c/0x480 [ext4]
[12960.123545]  [<ffffffff811ad5b3>] do_page_mkwrite+0x63/0xb0
[12960.123547]  [<ffffffff811b1016>] handle_mm_fault+0x6c6/0x1000
[12960.123549]  [<ffffffff816b0074>] __do_page_fault+0x154/0x450
[12960.123551]  [<ffffffff816b03a5>] do_page_fault+0x35/0x90
`

test('3.10: mmap_sem, down_read_failed, __do_page_fault, tasks without a tgid', async () => {
  const { chains, account } = await ofText(RHEL7)
  assert.deepEqual(chains, ['ps <- java <- java <- writeback'])
  const [first] = account.openWaits
  assert.deepEqual(
    first!.chain.map(link => [link.tid, link.holds, link.waitsFor]),
    [
      [4711, null, 'mmap_lock (read)'],
      [4100, 'its place in the queue of mmap_lock (write)', 'mmap_lock (write)'],
      [4101, 'mmap_lock (read)', 'writeback'],
    ],
  )
  assert.equal(first!.waitMs, 120_000)
})

test('the same as a journal, quoted, and from a serial console', async () => {
  const lines = RHEL7.trim().split('\n')
  for (const form of [
    (line: string) => `Nov 28 15:42:01 db-3 kernel: ${line}`,
    (line: string) => `> ${line}`,
    (line: string) => `<3>${line}\r`,
    (line: string) => line.replace(/^\[\S+\] /, ''),
    (line: string) => line.replace(/^\[(\S+)\] /, '[$1][  T42] '),
  ])
    assert.deepEqual((await ofText(lines.map(form).join('\n'))).chains, ['ps <- java <- java <- writeback'])
})

for (const path of ['btrfs-munmap', 'procmem-debugger', 'two-faulters-one-holder'])
  test(`${path}/dmesg.txt as any tool and log gives it: the same chains`, {
    skip: existsSync(join(DUMPS, path)) ? false : 'needs ../shared/traces/dumps',
  }, async () => {
    const { chains } = await told(join(DUMPS, path, 'dmesg.txt'))
    const text = readFileSync(join(DUMPS, path, 'dmesg.txt'), 'latin1')
    for (const { name, write } of [...LOGS, ...SAME.filter(({ of }) => of.length === 3)]) {
      const changed = join(folder, 'form')
      writeFileSync(changed, write(text))
      assert.deepEqual((await told(changed)).chains, chains, name)
    }
  })

const frames = (form: (name: string) => string, ...names: string[]): string => names.map(form).join('\n')

for (const [machine, form] of [
  ['arm64', (name: string) => ` ${name}+0xe4/0x160`],
  ['old arm64', (name: string) => `[<ffff000008085c9c>] ${name}+0xe4/0x160`],
  ['ppc64', (name: string) => `[c0000000fd3cf8e0] [c00000000001f2c4] ${name}+0x2c4/0x470`],
  ['old ppc64', (name: string) => `[c0000000fd3cf8e0] [c00000000001f2c4] .${name}+0x2c4/0x470`],
  ['s390', (name: string) => ` [<00000000006f8a2e>] ${name}+0x32e/0x8a8`],
  ['s390 with what it came from', (name: string) => `([<00000000006f8a2e>] ${name}+0x32e/0x8a8)`],
] as const)
  test(`sysrq-w of ${machine}: the writer that waits for a VMA, and the reader behind it`, async () => {
    const head = (name: string, pid: number, tgid: number) =>
      `task:${name.padEnd(16)}state:D stack:0     pid:${pid} tgid:${tgid} ppid:1      flags:0x00000208\nCall trace:`
    const text = [
      'sysrq: Show Blocked State',
      head('top', 70, 70),
      frames(
        form,
        '__switch_to',
        '__schedule',
        'schedule',
        'rwsem_down_read_slowpath',
        'down_read_killable',
        'm_start',
        'seq_read_iter',
      ),
      head('fork it', 21, 20),
      frames(form, '__switch_to', '__schedule', 'schedule', '__vma_start_write', 'dup_mmap', 'copy_process'),
      head('store: 1', 22, 20),
      frames(
        form,
        '__switch_to',
        '__schedule',
        'schedule',
        'io_schedule',
        'folio_wait_bit_common',
        'folio_wait_writeback',
        'iomap_page_mkwrite',
        'do_page_mkwrite',
        'handle_mm_fault',
        'do_page_fault',
        'do_mem_abort',
      ),
      head('other', 90, 90),
      frames(
        form,
        '__switch_to',
        '__schedule',
        'schedule',
        'folio_wait_bit_common',
        'folio_wait_writeback',
        'xfs_filemap_fault',
        'handle_mm_fault',
        'do_page_fault',
      ),
    ].join('\n')
    assert.deepEqual((await ofText(text)).chains, ['top <- fork it <- store: 1 <- writeback'])
  })

test('lockdep tells locks apart by their addresses', async () => {
  const task = (name: string, pid: number, ...names: string[]) =>
    `task:${name}  state:D stack:0 pid:${pid} tgid:${pid} ppid:1\nCall Trace:\n <TASK>\n${frames(each => ` ${each}+0x1/0x2`, '__schedule', 'schedule', ...names)}\n </TASK>`
  const text = [
    task('reader', 1, 'rwsem_down_read_slowpath', 'down_read', '__access_remote_vm', 'proc_pid_cmdline_read'),
    task('writer-a', 2, 'folio_wait_writeback', 'dup_mmap', 'copy_process'),
    task('writer-b', 3, 'folio_wait_writeback', 'dup_mmap', 'copy_process'),
    'Showing all locks held in the system:',
    '1 lock held by reader/1:',
    ' #0: ffff8881022a4c58 (&mm->mmap_lock){++++}-{3:3}, at: __access_remote_vm+0x4d/0x3b0',
    '1 lock held by writer-a/2:',
    ' #0: ffff888111111158 (&mm->mmap_lock){++++}-{3:3}, at: dup_mmap+0x2d/0x3b0',
    '1 lock held by writer-b/3:',
    ' #0: ffff8881022a4c58 (&mm->mmap_lock){++++}-{3:3}, at: dup_mmap+0x2d/0x3b0',
  ].join('\n')
  assert.deepEqual((await ofText(text)).chains, ['reader <- writer-b <- writeback'])
})

test('frames of 32-bit ARM, old and new, and addresses that a page took for its own tags', async () => {
  const report = (comm: string, tid: number, frames: readonly string[]) =>
    [
      `[ 6141.921740] INFO: task ${comm}:${tid} blocked for more than 120 seconds.`,
      '[ 6141.921774] "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.',
      `[ 6141.921785] ${comm.padEnd(15)} D    0  ${tid}   1400 0x00000000`,
      ...frames.map(frame => `[ 6141.921849] ${frame}`),
    ].join('\n')
  const arm = (name: string, caller: string) =>
    `[<807762c0>] (${name}) from [<80776938>] (${caller}+0x50/0xa8)`
  const newArm = (name: string, caller: string) => ` ${name} from ${caller}+0x50/0xa8`
  const writer = [
    '__schedule',
    'io_schedule',
    'fuse_vma_close [fuse]',
    'remove_vma',
    'do_munmap',
    'vm_munmap',
  ]
  const reader = ['__schedule', 'rwsem_down_read_failed', 'down_read', 'do_page_fault', 'do_DataAbort']
  const pairs = (frames: readonly string[], print: typeof arm) =>
    frames.slice(1).map((caller, at) => print(frames[at]!, caller.replace(' [fuse]', '')))
  for (const print of [arm, newArm]) {
    const text = `${report('writer', 1405, pairs(writer, print))}\n${report('reader', 1406, pairs(reader, print))}\n`
    assert.deepEqual((await ofText(text)).chains, ['reader <- writer <- fuse'], print.name)
  }
  const bare = (name: string) => `[] ${name.replace(' [fuse]', '')}+0x50/0xa8`
  const stripped = `${report('writer', 1405, writer.map(bare))}\n${report('reader', 1406, reader.map(bare))}\n`
  assert.deepEqual((await ofText(stripped)).chains, ['reader <- writer <- fuse'])
})

test("crash's bt, and files of /proc as head and grep print them", async () => {
  const crash = `
PID: 4711   TASK: ffff8800369eaf10  CPU: 1   COMMAND: "ps"
 #0 [ffff880036d4bc98] __schedule at ffffffff816a8f65
 #1 [ffff880036d4bd20] schedule at ffffffff816a94c9
 #2 [ffff880036d4bd30] rwsem_down_read_failed at ffffffff816aae1d
 #3 [ffff880036d4bdb8] call_rwsem_down_read_failed at ffffffff81332038
 #4 [ffff880036d4be00] down_read at ffffffff816a8a80
 #5 [ffff880036d4be18] __access_remote_vm at ffffffff811b2a3c
    RIP: 00007f1098b154aa  RSP: 00007ffe49b73408  RFLAGS: 00000202

PID: 4100   TASK: ffff8800369ec000  CPU: 0   COMMAND: "fork er"
 #0 [ffff880036d4bc98] __schedule at ffffffff816a8f65
 #1 [ffff880036d4bd20] schedule at ffffffff816a94c9
 #2 [ffff880036d4bd30] io_schedule at ffffffff816a94c9
 #3 [ffff880036d4bd30] wait_on_page_writeback at ffffffff816a94c9
 #4 [ffff880036d4bd30] copy_page_range at ffffffff816a94c9
 #5 [ffff880036d4bd30] dup_mm at ffffffff816a94c9
`
  assert.deepEqual((await ofText(crash)).chains, ['ps <- fork er <- writeback'])
  const head = `==> /proc/70/task/70/stack <==
[<0>] __access_remote_vm+0x4d/0x3b0
[<0>] proc_pid_cmdline_read+0x197/0x4b0

==> /proc/20/task/21/stack <==
[<0>] __vma_start_write+0x5c/0x110
[<0>] mprotect_fixup+0xec/0x370

==> /proc/20/task/22/stack <==
[<0>] percpu_rwsem_wait+0x15f/0x1d0
[<0>] ext4_page_mkwrite+0x4ab/0x580
[<0>] handle_mm_fault+0xd0/0x310
[<0>] exc_page_fault+0x176/0x770
`
  const ids = ({ account }: { readonly account: AnalyzedFiles }) =>
    account.openWaits.map(({ chain }) => chain.map(link => link.tid))
  assert.deepEqual(ids(await ofText(head)), [[70, 21, 22]])
  const parts = head.split(/\n?==> (\S+) <==\n/).slice(1)
  const grep = parts
    .flatMap((part, at) =>
      at % 2 === 0
        ? []
        : part
            .trim()
            .split('\n')
            .map(line => `${parts[at - 1]}:${line}`),
    )
    .join('\n')
  assert.deepEqual(ids(await ofText(grep)), [[70, 21, 22]])
})

test('a mutex whose owner the kernel names is followed to it', async () => {
  const text = `
INFO: task cat:115 blocked for more than 120 seconds.
task:cat             state:D stack:0     pid:115   tgid:115   ppid:1
Call Trace:
 <TASK>
 __schedule+0x1/0x2
 schedule+0x1/0x2
 __mutex_lock.constprop.0+0x1/0x2
 btrfs_page_mkwrite+0x1/0x2
 handle_mm_fault+0x1/0x2
 exc_page_fault+0x1/0x2
 </TASK>
INFO: task cat:115 is blocked on a mutex likely owned by task syncer:114.
task:syncer          state:D stack:0     pid:114   tgid:114   ppid:1
Call Trace:
 __schedule+0x1/0x2
 folio_wait_writeback+0x1/0x2
 btrfs_sync_file+0x1/0x2
INFO: task mapper:116 blocked for more than 120 seconds.
task:mapper          state:D stack:0     pid:116   tgid:115   ppid:1
Call Trace:
 __schedule+0x1/0x2
 __vma_start_write+0x1/0x2
 do_vmi_align_munmap+0x1/0x2
`
  assert.deepEqual((await ofText(text)).chains, ['mapper <- cat <- syncer <- writeback'])
})

test('a dump in which nobody waits for an mmap_lock concludes nothing, and a text without stacks is refused', async () => {
  const { account } = await ofText(
    'task:kworker/0:1 state:D stack:0 pid:7 tgid:7 ppid:2\nCall Trace:\n __schedule+0x1/0x2\n msleep+0x1/0x2\n',
  )
  assert.ok(!account.conclusive)
  assert.match(account.doubts[0]!, /None of the 1 tasks in the dump waits for an mmap_lock/)
  await assert.rejects(
    ofText('Call Trace:\n it was a dark night\n'),
    /has no task with a stack; expected hung-task reports/,
  )
})
