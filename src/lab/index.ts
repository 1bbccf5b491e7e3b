/** The lab: the same engine under other drivers. */
export * from './timed/index.ts'
