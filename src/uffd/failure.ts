/** What Node's own calls would say of -errno. */
import { getSystemErrorName } from 'node:util'
import { codeOf } from '../base/index.ts'

export function failure(result: number): NodeJS.ErrnoException {
  const code = codeOf({ code: getSystemErrorName(result), errno: result })
  return Object.assign(new Error(`the host failed with ${code}`), { errno: result, code })
}
