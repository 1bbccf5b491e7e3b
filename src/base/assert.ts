/**
 * Assertions: for faults of ours, never for the world's. They stay on in production where they cost O(1).
 *
 * A failed assertion names the invariant that broke (the numbers in the file headers), so that a report from the
 * field leads to the sentence that was believed.
 */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Throws unless `truth`. `what` names the invariant and says what was expected. */
export function assert(truth: boolean, what: string): asserts truth {
  if (!truth) broken(what)
}

/** Throws: for hot code, `if (wrong) broken(...)`, so that no sentence is put together for what holds. */
export function broken(what: string): never {
  throw new AssertionError(`faultline broke its own rule: ${what}; please report it`)
}
