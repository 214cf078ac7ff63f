/** The phone page: sensors → rows → store → gateway, and what the user sees of it. */

import { Gateway } from "../wire/gateway";
import { randomId } from "../wire/random_id";
import { Settings } from "../wire/settings";
import { TokenForm } from "../wire/token_form";
import { HeartRate } from "./heart_rate";
import { PhoneLocation } from "./location";
import { Motion } from "./motion";
import { OneTab } from "./one_tab";
import { Recorder } from "./recorder";
import { rowText } from "./row";
import { everyPeriod, reading } from "./sampler";
import { Screen } from "./screen";
import { Sender } from "./sender";
import { PhoneStore, type Ride, type Session } from "./store";
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
  private readonly settings: Settings;
  /** Where rows go; known before the first connection. */
  private topic = "";
  private readonly tokenForm: TokenForm;
  private stopSampling: (() => void) | null = null;
  /** From the tap on Start until rows are measured, or it turns out that they cannot be. */
  private starting = false;
  private mayWork = false;
  private measured = 0;

  constructor(
    private readonly store: PhoneStore,
    gateway: Gateway,
  ) {
    this.settings = new Settings(gateway.ask, localStorage);
    this.tokenForm = new TokenForm((token) => {
      gateway.keepToken(token);
      this.sender.dropConnection("Another token.");
      this.sender.retryNow();
    });
    this.recorder = new Recorder(
      store,
      () => this.sender.poke(),
      () => this.lostTurn(),
    );
    this.sender = new Sender({
      store,
      prepare: async () => void (this.topic = (await this.settings.get()).topics.in),
      connect: (session) => gateway.openSocket([this.topic], this.query(session)),
      whyRefused: ({ rider }) => gateway.whyRefused([this.topic], { key: rider }, "POST"),
      onChange: () => this.show(),
    });
    this.tabs = new OneTab(navigator.locks, {
      onGained: () => void this.gainedTurn(),
      onLost: () => this.lostTurn(),
      onWaiting: () => this.view.elsewhere("Another tab of this browser sends for this phone."),
    });
  }

  start(rider: string | null): void {
    const field = element<HTMLInputElement>("rider");
    // It may be typed into before this script runs.
    field.value = rider ?? (field.value || (localStorage.getItem(RIDER) ?? ""));
    element("heart").hidden = !HeartRate.offered;
    this.listen();
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
    if (rider === "" || this.starting || this.stopSampling) {
      return;
    }
    this.starting = true;
    this.view.trouble(null);
    const motion = this.motion.start();
    this.location.start();
    this.show();
    try {
      this.view.trouble(
        await motion.then(
          () => null,
          (error: Error) => error.message,
        ),
      );
      await this.measure(rider);
    } finally {
      this.starting = false;
      if (!this.stopSampling) {
        this.stopSensors();
      }
      this.show();
    }
  }

  private async measure(rider: string): Promise<void> {
    if (!this.mayWork) {
      return;
    }
    localStorage.setItem(RIDER, rider);
    void navigator.storage?.persist?.();
    let ride: Ride;
    try {
      ride = await this.store.useRider(rider);
    } catch (error) {
      this.view.trouble(`Rows cannot be kept: ${(error as Error).message}`);
      return;
    }
    // Another tab may have been told to measure meanwhile.
    if (this.mayWork) {
      this.stopSampling = everyPeriod((nowMs) => this.sample(ride, nowMs));
      this.screen.keepOn(true);
      this.sender.start();
    }
  }

  private sample(ride: Ride, nowMs: number): void {
    const sensors = { force: this.motion.latest, place: this.location.latest, heart: this.heart.latest };
    const found = reading(sensors, nowMs);
    if (found) {
      this.measured += 1;
      this.recorder.add(ride, rowText(found));
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
    const { state } = this.sender;
    this.view.running(this.stopSampling !== null, this.mayWork && !this.starting);
    this.view.connection(state);
    if (state.kind === "waiting" && state.wantsToken) {
      this.tokenForm.show();
    } else if (state.kind === "open") {
      this.tokenForm.hide();
    }
    this.view.trouble(this.recorder.trouble, "recorder");
    this.view.trouble(this.stopSampling ? this.motion.trouble : null, "motion");
    this.view.trouble(this.stopSampling ? this.location.trouble : null, "location");
    this.view.rows(this.measured, this.sender.acknowledgedRows, this.recorder.lost);
    this.view.heart(this.heart.sensor, this.heart.connected);
    this.view.later(async () => {
      const counts = await this.store.counts();
      const why = counts.refused > 0 ? await this.store.whyRefused() : null;
      this.view.counts(counts.waiting + this.recorder.inMemory, counts.refused, why ?? "");
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
  const gateway = new Gateway("phone");
  const { rider } = gateway.takeHandover();
  void navigator.serviceWorker?.register("/service-worker.js").catch(() => undefined);
  try {
    const store = await PhoneStore.open(indexedDB, randomId(), randomId);
    new PhonePage(store, gateway).start(rider);
  } catch (error) {
    new View().trouble((error as Error).message);
  }
}

void main();
