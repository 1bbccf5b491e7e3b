/** Tables by name, whose names the compiler knows. */

/** The names of a table that is written out, and so has no others. */
export function namesOf<Name extends string>(table: Readonly<Record<Name, unknown>>): Name[] {
  return Object.keys(table) as Name[]
}

/** What each of the names is given. */
export function byName<Name extends string, Value>(
  names: readonly Name[],
  given: (name: Name) => Value,
): Record<Name, Value> {
  return Object.fromEntries(names.map(name => [name, given(name)])) as Record<Name, Value>
}
