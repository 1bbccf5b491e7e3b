/**
 * Before the tests run: what Node makes of a source is kept for the hundreds of processes that they start, which would each
 * make it anew, and spend most of their time so. Kept by the source's content, so what is changed is made anew.
 */
import { join } from 'node:path'

export function globalSetup(): void {
  process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, '../node_modules/.cache/compile')
}
