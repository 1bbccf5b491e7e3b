/** How a bug is planted, or a part watched: a part gets another method in place of its own, and the new one is told the old one. */
import { assert } from '../base/index.ts'

export function replace<Part extends object, Name extends keyof Part & string>(
  part: Part,
  name: Name,
  make: (original: Part[Name]) => Part[Name],
): void {
  assert(name in part, `${part.constructor.name} has ${name}, which is to be replaced`)
  const original: unknown = part[name]
  const value = make((typeof original === 'function' ? original.bind(part) : original) as Part[Name])
  Object.defineProperty(part, name, { value, writable: true, configurable: true })
}
