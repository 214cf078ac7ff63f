/** The phone page: sensors → rows → store → gateway, and what the user sees of it. */

import { DEFAULT_CONFIG, fetchConfig, openSocket, takeHandover, whyRefused, type Config } from "../wire/gateway";
import { randomId } from "../wire/random_id";
import { HeartRate } from "./heart_rate";
import { PhoneLocation } from "./location";
import { Motion } from "./motion";
import { OneTab } from "./one_tab";
import { Recorder } from "./recorder";
import { rowText } from "./row";
import { everyPeriod, reading } from "./sampler";
import { Screen } from "./screen";
import { Sender } from "./sender";
import { PhoneStore, type Session } from "./store";
import { element, View } from "./view";

const RIDER = "tiderace.rider";

class PhonePage {
  private readonly motion = new Motion();
  private readonly location = new PhoneLocation(() => this.show());
  private readonly heart = new HeartRate(() => this.show());
  private readonly screen = new Screen();
  private readonly recorder: Recorder;
  private readonly sender: Sender;
  private readonly tabs: OneTab;
  private readonly view = new View();
  private config: Config = DEFAULT_CONFIG;
  private stopSampling: (() => void) | null = null;
  private mayWork = false;
  private measured = 0;

  constructor(private readonly store: PhoneStore) {
    this.recorder = new Recorder(
      store,
      () => this.sender.poke(),
      () => this.lostTurn(),
    );
    this.sender = new Sender({
      store,
      connect: (session) => openSocket([this.config.topics.in], this.query(session)),
      whyRefused: (session) => whyRefused([this.config.topics.in], { key: session.rider }, "POST"),
      onChange: () => this.show(),
    });
    this.tabs = new OneTab(navigator.locks, {
      onGained: () => void this.gainedTurn(),
      onLost: () => this.lostTurn(),
      onWaiting: () => this.view.elsewhere("Another tab of this browser sends for this phone."),
    });
  }

  async start(rider: string | null): Promise<void> {
    element<HTMLInputElement>("rider").value = rider ?? localStorage.getItem(RIDER) ?? "";
    element("heart").hidden = !HeartRate.offered;
    this.listen();
    this.config = await fetchConfig().catch(() => DEFAULT_CONFIG);
    this.tabs.enter();
    this.show();
  }

  private query(session: Session): Record<string, string> {
    return { key: session.rider, session: session.id, timestamp_field: "timestamp" };
  }

  private listen(): void {
    element("rider-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.begin();
    });
    element("stop").addEventListener("click", () => this.end());
    element("take").addEventListener("click", () => this.take());
    element("heart").addEventListener("click", () => {
      this.heart.connect().catch((error: Error) => this.view.trouble(error.message));
    });
    element("refused-save").addEventListener("click", () => void this.saveRefused());
    element("refused-clear").addEventListener("click", () => void this.store.clearRefused().then(() => this.show()));
    window.addEventListener("offline", () => this.sender.dropConnection("The phone is offline."));
    window.addEventListener("online", () => this.sender.retryNow());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") {
        this.sender.retryNow();
      }
    });
  }

  /** Runs in the handler of a tap, which iOS wants for motion: nothing is awaited before it. */
  private async begin(): Promise<void> {
    const rider = element<HTMLInputElement>("rider").value.trim();
    if (rider === "" || this.stopSampling) {
      return;
    }
    this.view.trouble(null);
    const motion = this.motion.start();
    this.location.start();
    const trouble = await motion.then(
      () => null,
      (error: Error) => error.message,
    );
    if (!this.mayWork) {
      this.stopSensors();
      return;
    }
    this.view.trouble(trouble);
    localStorage.setItem(RIDER, rider);
    void navigator.storage?.persist?.();
    try {
      await this.store.useRider(rider);
    } catch (error) {
      this.view.trouble(`Rows cannot be kept: ${(error as Error).message}`);
      this.stopSensors();
      return;
    }
    this.stopSampling = everyPeriod((nowMs) => this.sample(nowMs));
    this.screen.keepOn(true);
    this.sender.start();
    this.show();
  }

  private sample(nowMs: number): void {
    const sensors = { force: this.motion.latest, place: this.location.latest, heart: this.heart.latest };
    const found = reading(sensors, nowMs);
    if (found) {
      this.measured += 1;
      this.recorder.add(rowText(found));
    }
    this.view.reading(found);
    this.show();
  }

  private end(): void {
    this.stopSampling?.();
    this.stopSampling = null;
    this.stopSensors();
    this.screen.keepOn(false);
    this.view.reading(null);
    this.show();
  }

  private stopSensors(): void {
    this.motion.stop();
    this.location.stop();
  }

  private take(): void {
    if (this.mayWork) {
      this.sender.start();
      this.view.elsewhere(null);
    } else {
      this.tabs.take();
    }
  }

  /** Rows of an earlier visit go out at once, before anything is measured. */
  private async gainedTurn(): Promise<void> {
    try {
      await this.store.takeOver();
    } catch (error) {
      this.view.trouble(`Rows cannot be kept: ${(error as Error).message}`);
      return;
    }
    this.mayWork = true;
    this.view.elsewhere(null);
    this.sender.start();
    this.show();
  }

  private lostTurn(): void {
    this.mayWork = false;
    this.end();
    this.sender.yield();
    this.view.elsewhere("Another tab of this browser has taken over.");
  }

  private show(): void {
    if (this.sender.state.kind === "elsewhere" && this.mayWork) {
      this.view.elsewhere("This phone’s session was opened somewhere else.");
    }
    this.view.running(this.stopSampling !== null, this.mayWork);
    this.view.connection(this.sender.state);
    this.view.trouble(this.recorder.trouble, "recorder");
    this.view.trouble(this.stopSampling ? this.location.trouble : null, "location");
    this.view.rows(this.measured, this.sender.acknowledgedRows, this.recorder.lost);
    this.view.heart(this.heart.sensor, this.heart.connected);
    this.view.later(async () => {
      const counts = await this.store.counts();
      const refused = counts.refused > 0 ? await this.store.refused() : [];
      this.view.counts(counts.waiting + this.recorder.inMemory, counts.refused, refused[0]?.error ?? "");
    });
  }

  private async saveRefused(): Promise<void> {
    const lines = (await this.store.refused()).map((refused) => JSON.stringify(refused) + "\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
    link.download = "refused-rows.ndjson";
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

async function main(): Promise<void> {
  const { rider } = takeHandover();
  void navigator.serviceWorker?.register("/service-worker.js").catch(() => undefined);
  try {
    const store = await PhoneStore.open(indexedDB, randomId(), randomId);
    await new PhonePage(store).start(rider);
  } catch (error) {
    new View().trouble((error as Error).message);
  }
}

void main();
