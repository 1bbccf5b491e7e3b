/** What POSIX says of each call, asked of filesystems; the commands are main.ts and exercise.ts. */
export type { Said } from './calls.ts'
export { playAndTell } from './campaign.ts'
export type { Tool } from './exercising.ts'
