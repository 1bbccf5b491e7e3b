/**
 * What a program was promised while its host failed, and whether it is so afterwards.
 *
 * A place holds the value that was stored to it last before a sync that said ok, or one that was stored since. A store that
 * failed may have been made or not.
 */

/** A value of a place; undefined: it isn't there. */
export type Value = number | undefined

interface Stored {
  readonly value: Value
  readonly how: 'well' | 'perhaps'
}

export class Oracle {
  private readonly places = new Map<string, Stored[]>()

  /** It is so, and durable. */
  begins(place: string, value: Value): void {
    this.places.set(place, [{ value, how: 'well' }])
  }

  stored(place: string, value: Value, how: Stored['how']): void {
    const values = this.places.get(place) ?? [{ value: undefined, how: 'well' as const }]
    this.places.set(place, [...values, { value, how }])
  }

  synced(...places: readonly string[]): void {
    for (const place of places) {
      const values = this.places.get(place) ?? []
      values.splice(
        0,
        Math.max(
          0,
          values.findLastIndex(({ how }) => how === 'well'),
        ),
      )
    }
  }

  /** What was stored there since the last sync has been given up. */
  doubted(...places: readonly string[]): void {
    for (const place of places) {
      const [first, ...rest] = this.places.get(place) ?? []
      if (first !== undefined)
        this.places.set(place, [first, ...rest.map(({ value }) => ({ value, how: 'perhaps' as const }))])
    }
  }

  get all(): readonly string[] {
    return [...this.places.keys()]
  }

  /** A sentence for each place that isn't as it was promised. */
  *wrong(read: (place: string) => Value): Generator<string> {
    for (const [place, values] of this.places) {
      const value = read(place)
      if (!values.some(each => each.value === value))
        yield `${place} is ${said(value)}, expected ${values.map(each => said(each.value)).join(' or ')}`
    }
  }
}

function said(value: Value): string {
  return value === undefined ? 'not there' : String(value)
}
