/** The screen stays on while rows are measured: a phone that sleeps measures nothing. */
export class Screen {
  private lock: WakeLockSentinel | null = null;
  private wanted = false;
  private asking = false;

  constructor() {
    document.addEventListener("visibilitychange", () => void this.hold());
  }

  keepOn(wanted: boolean): void {
    this.wanted = wanted;
    void this.hold();
  }

  private async hold(): Promise<void> {
    if (this.wanted && !this.asking && document.visibilityState === "visible" && (this.lock?.released ?? true)) {
      this.asking = true;
      // Refused on a low battery, and unknown to some browsers; measuring goes on without.
      this.lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
      this.asking = false;
    }
    // Also where it was asked for before Stop was tapped, and given after it.
    if (!this.wanted && this.lock) {
      const lock = this.lock;
      this.lock = null;
      await lock.release().catch(() => undefined);
    }
  }
}
