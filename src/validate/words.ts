/** What a validation says on a terminal: each stall, on the kernel and in the model. */
import { STALL, type Validated } from './validate.ts'

export function validatedText(rows: readonly Validated[]): string {
  const lines = rows.flatMap(row => [`${row.experiment}: ${verdict(row)}`, ...stallsOf(row)])
  const compared = rows.filter(({ error }) => error !== null)
  const worst = compared.reduce((most, { error }) => Math.max(most, error!), 0)
  const left = rows.length - compared.length
  return [
    `    ${'who waits'.padEnd(14)} ${'kernel'.padStart(10)}  ${'model'.padStart(10)}  error`,
    ...lines,
    '',
    `${compared.length} experiments, largest error ${percent(worst)}${left === 0 ? '' : `; ${left} not compared`}`,
  ].join('\n')
}

function verdict({ error, says }: Validated): string {
  return error === null ? says! : `error ${percent(error)}`
}

function stallsOf({ readers, kernelMs, modelMs }: Validated): string[] {
  return readers.flatMap((reader, at) => {
    const [kernel, model] = [kernelMs[at] ?? 0, modelMs[at]]
    if (Math.max(kernel, model ?? 0) <= STALL) return []
    const error = model === undefined ? '' : percent(Math.abs(kernel - model) / kernel)
    return [
      `    ${reader.padEnd(14)} ${ms(kernel)}  ${model === undefined ? 'no answer' : ms(model)}  ${error}`,
    ]
  })
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`.padStart(10)
}

function percent(value: number): string {
  return `${(value * 100).toFixed(1)} %`
}
