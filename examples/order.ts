/**
 * The tables of a file of orders, as `flatc --ts` makes them from this schema:
 *
 *     table Order { id: uint32; price: float64; customer: string; }
 *     table Orders { orders: [Order]; }
 *     root_type Orders;
 */
import type { ByteBuffer } from 'flatbuffers'

const ID = 4
const PRICE = 6
const CUSTOMER = 8
const ORDERS = 4

export class Order {
  private bytes!: ByteBuffer
  private at = 0

  moveTo(bytes: ByteBuffer, at: number): this {
    this.bytes = bytes
    this.at = at
    return this
  }

  id(): number {
    const offset = this.bytes.__offset(this.at, ID)
    return offset === 0 ? 0 : this.bytes.readUint32(this.at + offset)
  }

  price(): number {
    const offset = this.bytes.__offset(this.at, PRICE)
    return offset === 0 ? 0 : this.bytes.readFloat64(this.at + offset)
  }

  customer(): string | null {
    const offset = this.bytes.__offset(this.at, CUSTOMER)
    return offset === 0 ? null : (this.bytes.__string(this.at + offset) as string)
  }
}

export class Orders {
  private readonly bytes: ByteBuffer
  private readonly at: number

  constructor(bytes: ByteBuffer) {
    this.bytes = bytes
    this.at = bytes.readInt32(bytes.position()) + bytes.position()
  }

  get length(): number {
    const offset = this.bytes.__offset(this.at, ORDERS)
    return offset === 0 ? 0 : this.bytes.__vector_len(this.at + offset)
  }

  /** Moves `order` to a place of the vector. */
  get(index: number, order: Order): Order {
    const offset = this.bytes.__offset(this.at, ORDERS)
    const place = this.bytes.__vector(this.at + offset) + index * 4
    return order.moveTo(this.bytes, this.bytes.__indirect(place))
  }
}
