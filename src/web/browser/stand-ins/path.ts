/** What is asked of node:path. */
export const join = (...parts: readonly string[]): string => parts.join('/')
export const extname = (path: string): string => /\.\w+$/.exec(path)?.[0] ?? ''
