/**
 * HTML as a value: what comes from outside is text until it is escaped, and it is escaped exactly once.
 *
 *     html`<td>${name}</td>`      name is escaped; an Html inside is not; an array is joined
 *     prose('under `hold` …')     a sentence, with the names between backticks set as code
 *     json(data)                  data for a <script type="application/json">, which no name can close
 *
 * Invariants
 *   HT1  Only this file makes Html from a plain string, and `trusted` is called with text of our own alone.
 */
type Value = string | number | Html | readonly Value[]

export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.map((part, at) => (at === 0 ? part : textOf(values[at - 1]!) + part)).join(''))
}

/** A sentence of the model. */
export function prose(sentence: string): Html {
  return new Html(escaped(sentence).replace(/`([^`]+)`/g, '<code>$1</code>'))
}

/** Styles, scripts and drawings written in this room. */
export function trusted(text: string): Html {
  return new Html(text)
}

export function json(data: unknown): Html {
  return new Html(
    JSON.stringify(data).replace(
      /[<>&\u2028\u2029]/g,
      letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  )
}

function textOf(value: Value): string {
  if (value instanceof Html) return value.text
  if (typeof value === 'object') return value.map(textOf).join('')
  return escaped(String(value))
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}
