/**
 * Structures of C in which every field lies at a multiple of its own size: what each is called and how wide it is, in
 * order, and from that how it is read and written. Numbers of 64 bits are exact up to 2^53.
 */
type Width = 'u8' | 'u16' | 'u32' | 's32' | 'u64' | 's64'

/** A field: its name, its type, and how many of it there are if they are padding, which is written as zeros. */
export type Field = readonly [name: string, type: Width | Struct<Fields>, count?: number]
export type Fields = readonly Field[]

type Value<T> = T extends Struct<infer F> ? Values<F> : number

/** What a structure holds. Fields that are padding are left out. */
export type Values<F extends Fields> = {
  readonly [Each in F[number] as Each extends readonly [string, unknown] ? Each[0] : never]: Value<Each[1]>
}

const BYTES: Readonly<Record<Width, number>> = { u8: 1, u16: 2, u32: 4, s32: 4, u64: 8, s64: 8 }
const HIGH = 2 ** 32

export class Struct<F extends Fields> {
  /** As the header of the kernel calls it. */
  readonly name: string
  readonly fields: F
  readonly offsets: readonly number[]
  readonly size: number

  constructor(name: string, fields: F) {
    this.name = name
    this.fields = fields
    let size = 0
    this.offsets = fields.map(([, type, count = 1]) => {
      const at = size
      size += count * (typeof type === 'string' ? BYTES[type] : type.size)
      return at
    })
    this.size = size
  }

  read(view: DataView, at: number): Values<F> {
    const values: Record<string, unknown> = {}
    for (let n = 0; n < this.fields.length; n++) {
      const [name, type, count] = this.fields[n]!
      if (count !== undefined) continue
      const place = at + this.offsets[n]!
      values[name] = typeof type === 'string' ? load(view, place, type) : type.read(view, place)
    }
    return values as Values<F>
  }

  /** Bytes of padding stay as they are. */
  write(view: DataView, at: number, values: Values<F>): void {
    for (let n = 0; n < this.fields.length; n++) {
      const [name, type, count] = this.fields[n]!
      if (count !== undefined) continue
      const place = at + this.offsets[n]!
      const value = (values as Record<string, unknown>)[name]
      if (typeof type === 'string') store(view, place, type, value as number)
      else type.write(view, place, value as Values<Fields>)
    }
  }
}

function load(view: DataView, at: number, type: Width): number {
  switch (type) {
    case 'u8':
      return view.getUint8(at)
    case 'u16':
      return view.getUint16(at, true)
    case 'u32':
      return view.getUint32(at, true)
    case 's32':
      return view.getInt32(at, true)
    case 'u64':
      return view.getUint32(at, true) + view.getUint32(at + 4, true) * HIGH
    case 's64':
      return view.getUint32(at, true) + view.getInt32(at + 4, true) * HIGH
  }
}

function store(view: DataView, at: number, type: Width, value: number): void {
  switch (type) {
    case 'u8':
      view.setUint8(at, value)
      return
    case 'u16':
      view.setUint16(at, value, true)
      return
    case 'u32':
    case 's32':
      view.setUint32(at, value, true)
      return
    case 'u64':
    case 's64':
      view.setUint32(at, value % HIGH, true)
      view.setUint32(at + 4, Math.floor(value / HIGH), true)
  }
}
