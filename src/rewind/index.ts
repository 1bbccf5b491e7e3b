/**
 * Putting a machine back to where it was: rewinder.ts writes down what changed and undoes it; side-by-side.ts lays a machine's
 * columns together, so that one comparison sees whether any of them changed.
 */
export { Rewinder, type Snapshot } from './rewinder.ts'
export { sideBySide } from './side-by-side.ts'
