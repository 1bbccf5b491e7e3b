/**
 * Writes a perf.data field by field, in either order of bytes, as a file or as what goes through a pipe: a monitor that waits
 * 900 ms for an mmap_lock behind a forker that sleeps in __vma_start_write. The kernel's text lies 4096 above SYMBOLS' of the test.
 */
export type ByteOrder = 'little' | 'big'

const SAMPLE_TYPE = 0x1 | 0x2 | 0x4 | 0x20 | 0x80 | 0x100 | 0x400 | 0x10000
const KERNEL = 0xffffffffffffff80n
const MOVED = 0x1000n
const MM = 0xffff888100000040n

const COMMON = `\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;
`
const field = (declaration: string, offset: number, size: number): string =>
  `\tfield:${declaration};\toffset:${offset};\tsize:${size};\tsigned:0;\n`
const LOCK = field('struct mm_struct * mm', 8, 8) + field('u64 memcg_id', 16, 8) + field('bool write', 24, 1)
const FORMATS: readonly {
  readonly system: string
  readonly name: string
  readonly id: number
  readonly fields: string
  readonly print: string
}[] = [
  { system: 'mmap_lock', name: 'mmap_lock_start_locking', id: 501, fields: LOCK, print: '' },
  {
    system: 'mmap_lock',
    name: 'mmap_lock_acquire_returned',
    id: 502,
    fields: LOCK + field('bool success', 25, 1),
    print: '',
  },
  { system: 'mmap_lock', name: 'mmap_lock_released', id: 503, fields: LOCK, print: '' },
  {
    system: 'sched',
    name: 'sched_switch',
    id: 504,
    fields:
      field('char prev_comm[16]', 8, 16) +
      field('pid_t prev_pid', 24, 4) +
      field('long prev_state', 32, 8) +
      field('char next_comm[16]', 40, 16) +
      field('pid_t next_pid', 56, 4),
    print: 'print fmt: "%s", __print_flags(REC->prev_state, "|", { 0x00000001, "S" }, { 0x00000002, "D" })',
  },
]

class Writer {
  private readonly order: ByteOrder
  readonly parts: Buffer[] = []

  constructor(order: ByteOrder) {
    this.order = order
  }

  u16(value: number): this {
    const bytes = Buffer.alloc(2)
    if (this.order === 'little') bytes.writeUInt16LE(value)
    else bytes.writeUInt16BE(value)
    return this.raw(bytes)
  }

  u32(value: number): this {
    const bytes = Buffer.alloc(4)
    if (this.order === 'little') bytes.writeUInt32LE(value)
    else bytes.writeUInt32BE(value)
    return this.raw(bytes)
  }

  u64(value: number | bigint): this {
    const bytes = Buffer.alloc(8)
    if (this.order === 'little') bytes.writeBigUInt64LE(BigInt(value))
    else bytes.writeBigUInt64BE(BigInt(value))
    return this.raw(bytes)
  }

  text(value: string, length = value.length + 1): this {
    const bytes = Buffer.alloc(length)
    bytes.write(value, 'latin1')
    return this.raw(bytes)
  }

  raw(bytes: Buffer): this {
    this.parts.push(bytes)
    return this
  }

  get whole(): Buffer {
    return Buffer.concat(this.parts)
  }
}

export function writePerfData(
  order: ByteOrder,
  form: 'file' | 'pipe',
  kind: 'tracepoints' | 'profile' = 'tracepoints',
): Buffer {
  const writer = () => new Writer(order)
  const event = (type: number, body: Buffer) =>
    writer()
      .u32(type)
      .u16(0)
      .u16(8 + body.length)
      .raw(body).whole
  const attr = (config: number) => {
    const bytes = writer()
      .u32(kind === 'profile' ? 0 : 2)
      .u32(128)
      .u64(config)
      .u64(1)
      .u64(SAMPLE_TYPE)
      .u64(0).whole
    return Buffer.concat([bytes, Buffer.alloc(128 - bytes.length)])
  }
  const idOf = (config: number) => config * 10
  const sample = (sec: number, tid: number, config: number, payload: Buffer, stack: readonly bigint[]) => {
    const raw = writer().u16(config).u16(0).u32(tid).raw(payload).whole
    const padded = Buffer.concat([raw, Buffer.alloc((8 - ((raw.length + 4) % 8)) % 8)])
    const body = writer()
      .u64(idOf(config))
      .u64(0)
      .u32(tid)
      .u32(tid)
      .u64(Math.round(sec * 1e9))
      .u32(1)
      .u32(0)
      .u64(1)
    body.u64(stack.length)
    for (const address of stack) body.u64(address)
    return event(9, body.u32(padded.length).raw(padded).whole)
  }
  const lock = (...flags: readonly number[]) =>
    writer()
      .u64(MM)
      .u64(7)
      .raw(Buffer.from([...flags, 0, 0, 0, 0, 0, 0])).whole
  const comm = (tid: number, name: string) =>
    event(3, writer().u32(tid).u32(tid).text(name, 16).u32(tid).u32(tid).u64(0).u32(0).u32(0).u64(0).whole)
  const switched = writer().text('forker', 16).u32(20).u32(0).u64(2).text('swapper', 16).u32(0).u32(0).whole
  const stack = [
    KERNEL,
    0xffffffff81000110n + MOVED,
    0xffffffff81000210n + MOVED,
    0xffffffff81000310n + MOVED,
    0xfffffffffffffe00n,
    0x7f00n,
  ]
  const data = [
    event(
      1,
      writer()
        .u32(0xffffffff)
        .u32(0)
        .u64(0xffffffff81000000n)
        .u64(0x1000000)
        .u64(0xffffffff81000000n + MOVED)
        .text('[kernel.kallsyms]_text', 24)
        .u64(0)
        .u64(0).whole,
    ),
    comm(10, 'monitor'),
    comm(20, 'forker'),
    // The buffer of one CPU before the other's, and a round's end behind both.
    sample(1.1, 10, 501, lock(0), []),
    sample(2, 10, 502, lock(0, 1), []),
    sample(1, 20, 501, lock(1), []),
    sample(1.001, 20, 502, lock(1, 1), []),
    sample(1.05, 20, 504, switched, stack),
    sample(1.999, 20, 503, lock(1), []),
    event(68, Buffer.alloc(0)),
  ]
  const tracing = writer()
    .raw(Buffer.from([23, 8, 68]))
    .text('tracing', 7)
    .text('0.6')
    .raw(Buffer.from([order === 'little' ? 0 : 1, 8]))
    .u32(4096)
  tracing.text('header_page').u64(4).text('page', 4).text('header_event').u64(5).text('event', 5).u32(0)
  const systems = [...new Set(FORMATS.map(each => each.system))]
  tracing.u32(systems.length)
  for (const system of systems) {
    const own = FORMATS.filter(each => each.system === system)
    tracing.text(system).u32(own.length)
    for (const { name, id, fields, print } of own) {
      const text = `name: ${name}\nID: ${id}\nformat:\n${COMMON}${fields}\n${print}\n`
      tracing.u64(text.length).text(text, text.length)
    }
  }
  tracing.u32(0).u32(0).u64(0)
  const release = writer().u32(16).text('1.2.3-other', 16).whole
  const magic = Buffer.from(order === 'little' ? 'PERFILE2' : '2ELIFREP')
  if (form === 'pipe') {
    const padded = Buffer.concat([tracing.whole, Buffer.alloc((8 - (tracing.whole.length % 8)) % 8)])
    return Buffer.concat([
      magic,
      writer().u64(16).whole,
      ...FORMATS.map(({ id }) => event(64, Buffer.concat([attr(id), writer().u64(idOf(id)).whole]))),
      event(66, writer().u32(tracing.whole.length).whole),
      padded,
      event(80, writer().u64(4).raw(release).whole),
      ...data,
    ])
  }
  const header = 104
  const idsAt = header
  const attrsAt = idsAt + FORMATS.length * 8
  const attrSize = 128 + 16
  const dataAt = attrsAt + FORMATS.length * attrSize
  const body = Buffer.concat(data)
  const tableAt = dataAt + body.length
  const tracingAt = tableAt + 32
  const features = writer()
    .u64((1n << 1n) | (1n << 4n))
    .u64(0)
    .u64(0)
    .u64(0).whole
  return Buffer.concat([
    magic,
    writer()
      .u64(header)
      .u64(attrSize)
      .u64(attrsAt)
      .u64(FORMATS.length * attrSize)
      .u64(dataAt)
      .u64(body.length)
      .u64(0)
      .u64(0).whole,
    features,
    ...FORMATS.map(({ id }) => writer().u64(idOf(id)).whole),
    ...FORMATS.map(({ id }, at) =>
      Buffer.concat([
        attr(id),
        writer()
          .u64(idsAt + at * 8)
          .u64(8).whole,
      ]),
    ),
    body,
    writer()
      .u64(tracingAt)
      .u64(tracing.whole.length)
      .u64(tracingAt + tracing.whole.length)
      .u64(release.length).whole,
    tracing.whole,
    release,
  ])
}
