/**
 * The hardware MMU: mapped files as plain Uint8Arrays, through userfaultfd (Linux).
 *
 *     a program's thread: touch of a page --fault--> pager's thread: the engine, the same fault path --install, wake-->
 *
 *     start.ts        which machine                         pager.ts      the pager's thread and its turn
 *     machine.ts      the caller's side: machine,           dispatcher.ts       calls of the other side
 *     objects.ts      groups, files, spaces,                answers.ts    hardware faults into faults of the engine
 *     mapping.ts      mappings                              mirror.ts     page tables into what the hardware maps
 *     attach.ts       arrays in other threads               store.ts      pages of files in memory files
 *     connection.ts         the wire, and the threads             areas.ts      addresses of mappings, to their end
 *     watchdog.ts     sees a pager die                      io-threads.ts       calls of the host, in threads of our own
 *     ring-reads.ts   short reads without a thread          bounce.ts     bytes on their way to memory files
 *     calls.ts        which calls cross it                  poison.ts      pages that can't be had
 *     remote.ts       makes them                            served.ts     what becomes of each
 */
export { type Attachment, attach } from './attach.ts'
export type { HardwareOptions } from './machine.ts'
export { Machine, type StartOptions, start } from './start.ts'
export type { OnError } from './wire.ts'
