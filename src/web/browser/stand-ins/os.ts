/** What is asked of node:os: there is no kernel here whose symbols could be read. */
export const release = (): string => ''
export const tmpdir = (): string => '/tmp'
export const availableParallelism = (): number => 1
