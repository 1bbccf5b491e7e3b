/** A name may hold anything; a message is one line, and moves no cursor. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029]/gu,
    character => ESCAPES.get(character) ?? `\\u{${character.codePointAt(0)!.toString(16)}}`,
  )
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])
