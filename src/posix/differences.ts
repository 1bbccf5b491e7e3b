/** Answers that aren't the wanted ones, and why that is as it should be. */
import type { Asked } from './world.ts'

/** Which questions, by their names, what is answered, and the reason. */
const KNOWN: readonly { readonly name: RegExp; readonly got: RegExp; readonly reason: string }[] = []

export interface Explained extends Asked {
  readonly reason: string
}

export function differences(asked: readonly Asked[]): {
  readonly wrong: readonly Asked[]
  readonly explained: readonly Explained[]
} {
  const wrong: Asked[] = []
  const explained: Explained[] = []
  for (const each of asked) {
    if (each.got === each.wanted) continue
    const known = KNOWN.find(({ name, got }) => name.test(each.name) && got.test(each.got))
    if (known === undefined) wrong.push(each)
    else explained.push({ ...each, reason: known.reason })
  }
  return { wrong, explained }
}
