/** How long to wait before the next try: twice as long each time, a little of it by chance. */
export class Backoff {
  private failures = 0;

  /** @param random gives numbers from 0 to 1, so that a thousand phones do not come back at once. */
  constructor(
    private readonly firstMs = 500,
    private readonly mostMs = 15_000,
    private readonly random: () => number = Math.random,
  ) {}

  nextMs(): number {
    const fullMs = Math.min(this.firstMs * 2 ** this.failures, this.mostMs);
    this.failures += 1;
    return Math.round(fullMs * (0.75 + 0.25 * this.random()));
  }

  reset(): void {
    this.failures = 0;
  }
}
