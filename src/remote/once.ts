/** An answer that is asked for once and kept until it is forgotten: credentials, that may run out. A failure isn't kept. */
export class Once<T> {
  private readonly ask: () => Promise<T>
  private known: Promise<T> | undefined

  constructor(ask: () => Promise<T>) {
    this.ask = ask
  }

  async get(): Promise<T> {
    this.known ??= this.ask()
    const asked = this.known
    try {
      return await asked
    } catch (error) {
      if (this.known === asked) this.known = undefined
      throw error
    }
  }

  forget(): void {
    this.known = undefined
  }
}
