/** How long this thread has run, to the microsecond: getrusage, which Node has, counts in ticks of the host. */
import { loadFfi } from '../linux/index.ts'

/** <time.h> */
const CLOCK_THREAD_CPUTIME_ID = 3

/** Returns a clock, in ms. */
export function threadClock(): () => number {
  const time = new BigInt64Array(2)
  const gettime = loadFfi().open(null).call('clock_gettime', 'int', ['int', 'pointer'])
  return () => {
    gettime(CLOCK_THREAD_CPUTIME_ID, time)
    return Number(time[0]) * 1e3 + Number(time[1]) / 1e6
  }
}
