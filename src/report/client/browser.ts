/**
 * The part of a browser that the page's script uses, as types. The rest of the project runs without a browser, so its
 * types aren't loaded for all; what stands here is what the script may touch.
 */
export interface Browser {
  readonly document: Page
  readonly devicePixelRatio: number
  readonly innerHeight: number
  requestAnimationFrame(call: () => void): number
  getComputedStyle(box: Box): { readonly color: string; readonly fontFamily: string }
  matchMedia(query: string): {
    readonly matches: boolean
    addEventListener(type: 'change', call: () => void): void
  }
  readonly ResizeObserver: new (call: () => void) => { observe(box: Box): void }
}

export interface Page {
  readonly documentElement: Box
  readonly body: Box
  readonly activeElement: Box | null
  createElement(name: string): Box
  querySelectorAll(query: string): ArrayLike<Box>
}

export interface Box {
  textContent: string | null
  hidden: boolean
  value: string
  className: string
  scrollTop: number
  width: number
  height: number
  readonly offsetWidth: number
  readonly offsetHeight: number
  readonly dataset: Record<string, string | undefined>
  readonly style: Record<string, string>
  readonly classList: { toggle(name: string, on: boolean): void }
  querySelector(query: string): Box | null
  querySelectorAll(query: string): ArrayLike<Box>
  append(...boxes: (Box | string)[]): void
  replaceChildren(...boxes: (Box | string)[]): void
  remove(): void
  focus(options?: { preventScroll: boolean }): void
  setAttribute(name: string, value: string): void
  setPointerCapture(pointer: number): void
  getBoundingClientRect(): { readonly left: number; readonly top: number; readonly width: number }
  addEventListener<Name extends keyof Events>(
    name: Name,
    call: (event: Events[Name]) => void,
    options?: { readonly passive: boolean },
  ): void
  scrollIntoView(options: { readonly block: 'nearest' }): void
  getContext(kind: '2d'): Pen
}

export interface Events {
  readonly click: Happening
  readonly input: Happening
  readonly change: Happening
  readonly scroll: Happening
  readonly focus: Happening
  readonly blur: Happening
  readonly keydown: Key
  readonly wheel: Wheel
  readonly dblclick: Pointer
  readonly pointerdown: Pointer
  readonly pointermove: Pointer
  readonly pointerup: Pointer
  readonly pointercancel: Pointer
  readonly pointerleave: Pointer
}

export interface Happening {
  preventDefault(): void
}

export interface Key extends Happening {
  readonly key: string
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly altKey: boolean
}

export interface Pointer extends Happening {
  readonly pointerId: number
  readonly pointerType: string
  readonly button: number
  readonly clientX: number
  readonly clientY: number
}

export interface Wheel extends Pointer {
  readonly deltaX: number
  readonly deltaY: number
  readonly deltaMode: number
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly shiftKey: boolean
}

/** A canvas's context. */
export interface Pen {
  fillStyle: string | Pattern
  strokeStyle: string
  globalAlpha: number
  lineWidth: number
  font: string
  textBaseline: string
  textAlign: string
  beginPath(): void
  moveTo(x: number, y: number): void
  lineTo(x: number, y: number): void
  bezierCurveTo(ax: number, ay: number, bx: number, by: number, x: number, y: number): void
  arc(x: number, y: number, radius: number, from: number, to: number): void
  closePath(): void
  rect(x: number, y: number, width: number, height: number): void
  clip(): void
  fill(): void
  stroke(): void
  save(): void
  restore(): void
  clearRect(x: number, y: number, width: number, height: number): void
  fillRect(x: number, y: number, width: number, height: number): void
  strokeRect(x: number, y: number, width: number, height: number): void
  fillText(text: string, x: number, y: number): void
  strokeText(text: string, x: number, y: number): void
  measureText(text: string): { readonly width: number }
  setLineDash(dashes: readonly number[]): void
  setTransform(a: number, b: number, c: number, d: number, e: number, f: number): void
  createPattern(image: Box, repeat: string): Pattern
}

export interface Pattern {
  readonly pattern?: never
}
