/** What a validation says on a terminal: each stall, on the kernel and in the model. */
import { differenceOf, isStall, type Validated } from './validate.ts'

const WIDTH = 14

export function validatedText(rows: readonly Validated[]): string {
  const lines = rows.flatMap(row => [`${row.experiment}: ${verdict(row)}`, ...stallsOf(row)])
  const compared = rows.filter(({ error }) => error !== null)
  const worst = compared.reduce((most, { error }) => Math.max(most, error!), 0)
  const left = rows.length - compared.length
  return [
    `    ${'who waits'.padEnd(WIDTH)} ${'kernel'.padStart(10)}  ${'model'.padStart(10)}  error`,
    ...lines,
    '',
    `${compared.length} compared, largest error ${percent(worst)}${left === 0 ? '' : `; ${left} can’t be`}`,
  ].join('\n')
}

function verdict({ error, says }: Validated): string {
  return says ?? `error ${percent(error!)}`
}

function stallsOf({ readers, kernelMs, modelMs }: Validated): string[] {
  const width = Math.max(WIDTH, ...readers.map(({ length }) => length))
  return readers.flatMap((reader, at) => {
    const [kernel, model] = [kernelMs[at]!, modelMs[at]!]
    if (!isStall(kernel) && !isStall(model)) return []
    return [
      `    ${reader.padEnd(width)} ${ms(kernel)}  ${ms(model)}  ${percent(differenceOf(kernel, model))}`,
    ]
  })
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`.padStart(10)
}

function percent(value: number): string {
  return `${(value * 100).toFixed(1)} %`
}
