/** What runs have shown, in sentences and in tables for a terminal of 80 columns. */
import { columns, ms } from '../demo/index.ts'
import type { RunResult } from './run.ts'

/** One run: what everyone felt, and who waited behind whom. */
export function runText(result: RunResult): string {
  const { monitor, app, mapper, batch, faults, io, others, locks, pressure } = result
  const roles = Object.entries({ monitor, app, mapper, 'batch faults': batch.fault, ...others })
  const felt = columns(
    ['role', 'count', 'p50', 'p99', 'max'],
    roles
      .filter(([, { count }]) => count > 0)
      .map(([role, { count, p50Ms, p99Ms, maxMs }]) => [
        role,
        String(count),
        ms(p50Ms),
        ms(p99Ms),
        ms(maxMs),
      ]),
  )
  const waits = columns(
    ['waits for a lock', 'behind', 'lock', 'waits', 'total', 'longest'],
    locks
      .slice(0, 8)
      .map(({ waiter, behind, lock, waits, totalMs, maxMs }) => [
        waiter,
        behind,
        lock,
        String(waits),
        ms(totalMs),
        ms(maxMs),
      ]),
  )
  const left = result.without.length === 0 ? '' : `, without ${result.without.join(', ')}`
  return [
    `${result.workload} under ${result.name}, ${result.seconds} s, seed ${result.seed}${left}`,
    felt,
    `The batch: ${faults.total} faults (${faults.major} major, ${faults.retries} came back, ${faults.rereads} read again,\n` +
      `${faults.ioUnderLock} waited with a lock held); ${io.readsPerFault} reads for each major fault; ` +
      `${(batch.bytesPerSecond / 2 ** 20).toFixed(1)} MiB/s\nwritten; stalled by I/O for ${pressure.ioSome} s, for memory ${pressure.memorySome} s.`,
    locks.length === 0 ? 'Nobody waited for a lock.' : waits,
  ].join('\n\n')
}

/** Workloads down, disciplines across, the monitor's slowest read in each cell. */
export function compareText(results: readonly RunResult[], disciplines: readonly string[]): string {
  const workloads = [...new Set(results.map(({ workload }) => workload))]
  return columns(
    ["monitor's slowest", ...disciplines],
    workloads.map(workload => [
      workload,
      ...disciplines.map(name => {
        const result = results.find(each => each.workload === workload && each.name === name)
        return result === undefined || result.monitor.count === 0 ? '-' : ms(result.monitor.maxMs)
      }),
    ]),
  )
}

/** The point of a comparison: the longest stall, who has it, and what is left of it under `restart`. */
export function compareSentence(results: readonly RunResult[]): string {
  const watched = results.filter(({ monitor }) => monitor.count > 0)
  const worst = [...watched].sort((a, b) => b.monitor.maxMs - a.monitor.maxMs)[0]
  if (worst === undefined) return 'No workload with a monitor was played.'
  const { maxMs } = worst.monitor
  const same = watched.filter(({ workload }) => workload === worst.workload)
  const equal = same.filter(({ monitor }) => monitor.maxMs >= 0.99 * maxMs).map(({ name }) => `\`${name}\``)
  const there = `The longest that a monitor hung was ${ms(maxMs)}, in \`${worst.workload}\` under ${listed(equal)}`
  const ours = same.find(({ name }) => name === 'restart')
  if (ours === undefined || equal.includes('`restart`')) return `${there}.`
  const longest = Math.max(
    ...watched.filter(({ name }) => name === 'restart').map(({ monitor }) => monitor.maxMs),
  )
  const here =
    ours.monitor.maxMs === 0 ? 'it did not hang there' : `it hung for ${ms(ours.monitor.maxMs)} there`
  return `${there}; under \`restart\` ${here}, and for ${ms(longest)} at most in any workload.`
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
