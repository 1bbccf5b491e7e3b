/** The page's state in its fragment, so that a link leads back to it: `#traces?example=frozen-munmap&discipline=restart`. */
export type View = 'traces' | 'lab'

export interface Place {
  readonly view: View
  readonly values: URLSearchParams
}

export function placeOf(fragment: string): Place {
  const [view, values = ''] = fragment.replace(/^#/, '').split('?')
  return { view: view === 'lab' ? 'lab' : 'traces', values: new URLSearchParams(values) }
}

/** Writes values into the fragment, beside those that are there; '' takes one away. */
export function note(view: View, changes: Readonly<Record<string, string>>): void {
  const place = placeOf(location.hash)
  const values = place.view === view ? place.values : new URLSearchParams()
  for (const [key, value] of Object.entries(changes))
    if (value === '') values.delete(key)
    else values.set(key, value)
  const text = values.toString()
  history.replaceState(undefined, '', `#${view}${text === '' ? '' : `?${text}`}`)
}
