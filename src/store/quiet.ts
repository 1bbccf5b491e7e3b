/**
 * What lmdb-js says on the terminal of a commit that failed, it also rejects the commit with, and that is what is told. So
 * while a commit is on its way `console.error` passes its errors over, and nothing else.
 */
let under = 0
let before = console.error

/** Does what may make lmdb-js say so. */
export async function quietly<T>(act: () => Promise<T>): Promise<T> {
  if (under++ === 0) {
    before = console.error
    console.error = passLmdbOver
  }
  try {
    return await act()
  } finally {
    // Somebody may have put theirs there meanwhile; it calls ours, or not, as it likes.
    if (--under === 0 && console.error === passLmdbOver) console.error = before
  }
}

function passLmdbOver(...words: unknown[]): void {
  const [first] = words
  if (first instanceof Error && /[\\/]lmdb[\\/]/.test(first.stack ?? '')) return
  before.apply(console, words)
}
