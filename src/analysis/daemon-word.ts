/** What a daemon of FUSE tells of a request itself. */

/** What a daemon tells of a request. */
export interface ToldByDaemon {
  /** Where it is mounted. */
  readonly target: string
  readonly pid: number
  /** The first is the request's own wait, and each next one of whoever was in the way of the one before; empty: it tells of none. */
  readonly waits: readonly DaemonWait[]
}

export interface DaemonWait {
  readonly task: string
  readonly waitsFor: string
  readonly ms: number
}

/** Asks what is known of a request, by its connection as `0,45` and its number on it. */
export type AskDaemon = (connection: string, unique: number) => ToldByDaemon | undefined
