/**
 * What the threads of one machine tell each other without messages: numbers in shared memory.
 *
 *     [HEARTBEAT]   counts the turns of the pager; the watchdog sees it stand still
 *     [STATE]       what the pager is doing
 *     [PAGER]       the pager's thread, as the kernel numbers it
 *     [REPLIES]     counts the answers, and the end of the pager: a caller that waits looks again
 *     [LOST]        counts the workers that were stopped for good
 */
export const HEARTBEAT = 0
export const STATE = 1
export const PAGER = 2
export const REPLIES = 3
export const LOST = 4
export const SIGNALS = 5

/** Values of STATE. */
export const STARTING = 0
export const SERVING = 1
/** It has nothing left to serve, or the process ends: its silence is no news. */
export const ENDED = 2
