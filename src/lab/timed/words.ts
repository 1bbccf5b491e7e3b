/** What runs have shown, in sentences and in tables for a terminal of 80 columns. */
import { columns, ms } from '../../demo/index.ts'
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
  return [
    `${result.workload} under ${result.name}, ${result.seconds} s, seed ${result.seed}`,
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

/** The point of a comparison. */
export function compareSentence(results: readonly RunResult[]): string {
  const stalls = results.filter(({ monitor }) => monitor.count > 0)
  const worst = [...stalls].sort((a, b) => b.monitor.maxMs - a.monitor.maxMs)[0]
  const ours = stalls.filter(({ name }) => name === 'restart')
  const longest = Math.max(0, ...ours.map(({ monitor }) => monitor.maxMs))
  if (worst === undefined) return 'No workload with a monitor was played.'
  const there = `The longest that a monitor hung was ${ms(worst.monitor.maxMs)}, in \`${worst.workload}\` under \`${worst.name}\``
  if (ours.length === 0 || worst.name === 'restart') return `${there}.`
  const here = ours.find(({ workload }) => workload === worst.workload)
  const same = here === undefined ? '' : `; under \`restart\` the same took ${ms(here.monitor.maxMs)}`
  return `${there}${same}, and over all workloads ${ms(longest)} at most.`
}
