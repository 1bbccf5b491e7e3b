/** The lab's model held against the kernel that runs: who waits, and how long. */
export { NotHere } from '../differential/index.ts'
export { type Validated, validate } from './validate.ts'
export { validatedText } from './words.ts'
