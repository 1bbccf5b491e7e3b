/**
 * Numbers as people read them: three digits that matter, and a unit of the right size. The page's script carries this
 * function too, so that an axis and a table say the same.
 */
export function show(value: number, unit: string): string {
  const digits = (number: number) => {
    const size = Math.abs(number)
    const places = size >= 100 || Number.isInteger(number) ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3
    return number.toLocaleString('en-US', { minimumFractionDigits: places, maximumFractionDigits: places })
  }
  const sized = (steps: readonly (readonly [number, string])[]) => {
    // 999.6 of the smaller unit would be written 1,000: such a number takes the next unit.
    const step = steps.find(([size]) => Math.abs(value) >= size * 0.9995) ?? steps[steps.length - 1]!
    return `${digits(value / step[0])} ${step[1]}`
  }
  if (unit === 'ns')
    return sized([
      [1e9, 's'],
      [1e6, 'ms'],
      [1e3, 'µs'],
      [1, 'ns'],
    ])
  if (unit === 'B' || unit === 'B/s') {
    const per = unit.slice(1)
    return sized([
      [2 ** 40, `TiB${per}`],
      [2 ** 30, `GiB${per}`],
      [2 ** 20, `MiB${per}`],
      [2 ** 10, `KiB${per}`],
      [1, `B${per}`],
    ])
  }
  if (unit === '%') return `${digits(value)}%`
  if (unit === 'x') return `${digits(value)}×`
  return digits(value)
}
