/** The screen stays on while rows are measured: a phone that sleeps measures nothing. */
export class Screen {
  private lock: WakeLockSentinel | null = null;
  private wanted = false;

  constructor() {
    document.addEventListener("visibilitychange", () => void this.hold());
  }

  keepOn(wanted: boolean): void {
    this.wanted = wanted;
    void this.hold();
  }

  private async hold(): Promise<void> {
    if (!this.wanted) {
      await this.lock?.release().catch(() => undefined);
      this.lock = null;
    } else if (document.visibilityState === "visible" && (this.lock?.released ?? true)) {
      // Refused on a low battery, and unknown to some browsers; measuring goes on without.
      this.lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
    }
  }
}
