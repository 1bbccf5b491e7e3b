/** How a bug is planted: a part gets another method in place of its own, and the new one is told the old one. */
export function replace<Part extends object, Name extends keyof Part>(
  part: Part,
  name: Name,
  make: (original: Part[Name]) => Part[Name],
): void {
  const original = part[name] as unknown as (...args: unknown[]) => unknown
  Object.defineProperty(part, name, {
    value: make(original.bind(part) as unknown as Part[Name]),
    writable: true,
    configurable: true,
  })
}
