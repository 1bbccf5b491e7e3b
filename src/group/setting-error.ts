/**
 * What is wrong with a name, a key or a value that somebody outside gave: one sentence, with what was expected and, for
 * a word that isn't known, the nearest one that is.
 *
 * `code` is the errno's name, for the door that turns it into its own error.
 */
export class SettingError extends Error {
  override readonly name = 'SettingError'
  readonly code: 'EINVAL' | 'ENOENT' | 'EEXIST' | 'EACCES' | 'ENODEV'

  constructor(code: SettingError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** "; did you mean X?", or nothing when no known word is near. */
export function didYouMean(word: unknown, known: readonly string[]): string {
  const near = typeof word === 'string' ? nearest(word, known) : undefined
  return near === undefined ? '' : `; did you mean ${near}?`
}

/** The known word that takes the fewest changes of a letter, if they are at most half of it. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = word.length / 2 + 1
  for (const candidate of known) {
    const changes = distance(word.toLowerCase(), candidate.toLowerCase())
    if (changes < least) {
      least = changes
      best = candidate
    }
  }
  return best
}

/** How a value looks in a sentence. */
export function shown(value: unknown): string {
  const text = textOf(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

/** What JSON can't say, such as what holds itself, is said by its kind. */
function textOf(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return `${value}`
  try {
    return JSON.stringify(value) ?? typeof value
  } catch {
    return typeof value
  }
}

/** Levenshtein's, by rows. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const above = row
    row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + Number(a[i - 1] !== b[j - 1])
      row.push(Math.min(replaced, above[j]! + 1, row[j - 1]! + 1))
    }
  }
  return row[b.length]!
}
