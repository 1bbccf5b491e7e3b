/**
 * A reporter for `node --test --test-isolation=none` that ends the process at the first failure, with 1. If all pass, its last
 * line is the processor time in milliseconds.
 */
interface Told {
  readonly type: string
}

// biome-ignore lint/style/noDefaultExport: node:test asks for it.
export default async function* firstFailure(told: AsyncIterable<Told>): AsyncGenerator<string> {
  for await (const { type } of told) if (type === 'test:fail') process.exit(1)
  const { user, system } = process.cpuUsage()
  yield `\n${Math.ceil((user + system) / 1000)}\n`
}
