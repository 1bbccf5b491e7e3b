/** What a validation says on a terminal: each stall, on the kernel and in the model. */
import type { Validated } from './validate.ts'

const STALL = 10

export function validatedText(rows: readonly Validated[]): string {
  const lines = rows.flatMap(({ experiment, readers, kernelMs, modelMs, error }) => {
    const stalls = readers.flatMap((reader, at) => {
      const [kernel, model] = [kernelMs[at]!, modelMs[at]!]
      if (Math.max(kernel, model) <= STALL) return []
      return [
        `    ${reader.padEnd(14)} ${ms(kernel)}  ${ms(model)}  ${percent(Math.abs(kernel - model) / kernel)}`,
      ]
    })
    return [`${experiment}: error ${percent(error)}`, ...stalls]
  })
  const worst = rows.reduce((most, { error }) => Math.max(most, error), 0)
  return [
    `    ${'who waits'.padEnd(14)} ${'kernel'.padStart(10)}  ${'model'.padStart(10)}  error`,
    ...lines,
    '',
    `${rows.length} experiments, largest error ${percent(worst)}`,
  ].join('\n')
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`.padStart(10)
}

function percent(value: number): string {
  return `${(value * 100).toFixed(1)} %`
}
