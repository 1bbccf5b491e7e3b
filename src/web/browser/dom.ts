/** Small words for the document: find what must be there, make elements, put files into the user's hands. */
export function the<Found extends HTMLElement = HTMLElement>(id: string): Found {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found as Found
}

type Properties<Tag extends keyof HTMLElementTagNameMap> = Partial<
  Omit<HTMLElementTagNameMap[Tag], 'style' | 'dataset'>
>

export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties<Tag> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

export function button(text: string, onClick: () => void): HTMLButtonElement {
  const made = make('button', { type: 'button', textContent: text })
  made.addEventListener('click', onClick)
  return made
}

export function options(select: HTMLSelectElement, names: readonly string[]): void {
  select.append(...names.map(name => make('option', { value: name, textContent: name })))
}

export function download(name: string, type: string, content: BlobPart): void {
  const href = URL.createObjectURL(new Blob([content], { type }))
  make('a', { href, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(href), 60_000)
}
