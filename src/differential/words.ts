/** How outcomes are said, so that the two sides can be compared letter by letter. */
import { errnoName } from '../base/index.ts'
import type { Outcome } from './side.ts'

export const done: Outcome = { said: 'done', bytes: undefined }

export function failed(call: string, error: number): Outcome {
  return { said: `${errnoName(error)} at ${call}`, bytes: undefined }
}
