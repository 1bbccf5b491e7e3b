/** What Node's own calls would say of -errno. */
import { getSystemErrorName } from 'node:util'

export function failure(result: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(result)
  return Object.assign(new Error(`the host failed with ${code}`), { errno: result, code })
}
