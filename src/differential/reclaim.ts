/**
 * Whether the computer takes pages from memory by itself: under pressure (kswapd, direct reclaim), and when anybody
 * writes to /proc/sys/vm/drop_caches. The counters of /proc/vmstat say so; a drop is counted when it is over (Linux 6.18
 * fs/drop_caches.c, drop_caches_sysctl_handler), so they are asked after what was lost was seen.
 */
import fs from 'node:fs'

const COUNTERS = ['drop_pagecache', 'pgsteal_kswapd', 'pgsteal_direct']

/** Grows with each page that the computer took, and each time that caches were dropped. */
export function pagesTaken(): number {
  return fs
    .readFileSync('/proc/vmstat', 'latin1')
    .split('\n')
    .map(line => line.split(' '))
    .filter(([name]) => COUNTERS.includes(name!))
    .reduce((sum, [, count]) => sum + Number(count), 0)
}
