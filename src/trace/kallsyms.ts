/**
 * Kernel addresses to function names, from the text of /proc/kallsyms.
 *
 * Addresses are kept as two sorted columns of 32 bits, for doubles can't tell neighbours apart at the top of the address space.
 */
export class Kallsyms {
  private readonly high: Uint32Array
  private readonly low: Uint32Array
  private readonly names: string[]

  constructor(text: string) {
    const rows: { high: number; low: number; name: string }[] = []
    for (const line of text.split('\n')) {
      const match = /^([0-9a-f]{1,16}) [tTwWdDbBrRvVaA] (\S+)/.exec(line)
      if (match === null || match[1]!.replaceAll('0', '') === '') continue
      const hex = match[1]!.padStart(16, '0')
      rows.push({
        high: Number.parseInt(hex.slice(0, 8), 16),
        low: Number.parseInt(hex.slice(8), 16),
        name: match[2]!,
      })
    }
    rows.sort((a, b) => a.high - b.high || a.low - b.low)
    this.high = Uint32Array.from(rows, row => row.high)
    this.low = Uint32Array.from(rows, row => row.low)
    this.names = rows.map(row => row.name)
  }

  get size(): number {
    return this.names.length
  }

  /** Of the first symbol of that name. */
  addressOf(name: string): bigint | undefined {
    const at = this.names.indexOf(name)
    return at === -1 ? undefined : (BigInt(this.high[at]!) << 32n) | BigInt(this.low[at]!)
  }

  nameOf(high: number, low: number): string {
    let from = 0
    let to = this.names.length
    while (from < to) {
      const middle = (from + to) >>> 1
      const isAfter = this.high[middle]! > high || (this.high[middle] === high && this.low[middle]! > low)
      if (isAfter) to = middle
      else from = middle + 1
    }
    return this.names[from - 1] ?? `0x${high.toString(16)}${low.toString(16).padStart(8, '0')}`
  }
}
