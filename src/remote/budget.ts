/**
 * A token bucket that is filled by work and not by time: each request brings a share of a token, each extra request (a retry, a
 * hedge) takes one. So extra requests are at most that share of all, whatever the rate, and a host in trouble isn't
 * given more of it.
 *
 * Compare  gRPC's retry throttling (proposal A6) and Dean and Barroso, "The Tail at Scale" (CACM 2013): hedges of 5 %.
 */
export class Budget {
  private tokens: number
  private readonly share: number
  private readonly most: number

  /** Full at first, so that a short run may try again too. */
  constructor(share: number, most: number) {
    this.share = share
    this.most = most
    this.tokens = most
  }

  earn(): void {
    this.tokens = Math.min(this.most, this.tokens + this.share)
  }

  spend(): boolean {
    if (this.tokens < 1) return false
    this.tokens--
    return true
  }
}
