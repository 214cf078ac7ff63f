/** The dashboard: what the gateway sends of both topics, drawn as it comes. */

import { Backoff } from "../wire/backoff";
import { Gateway } from "../wire/gateway";
import { type Config, Settings } from "../wire/settings";
import { TokenForm } from "../wire/token_form";
import { AlertList } from "./alert_list";
import type { Alert } from "./alerts";
import { ForceChart, SHOWN_MS } from "./chart";
import { Fleet } from "./fleet";
import { RiderMap } from "./map";
import { durationText, element, numberText, setText } from "./page_text";
import { Painter } from "./painter";
import { Reader } from "./reader";
import { RiderList } from "./rider_list";

/** For so long after a conflated frame the page says that rows were left out. */
const CONFLATED_MS = 5000;

class Dashboard {
  private readonly fleet: Fleet;
  private readonly reader: Reader;
  private readonly riders: RiderList;
  private readonly alerts: AlertList;
  private readonly chart = new ForceChart(element("chart"));
  private readonly painter = new Painter((draw) => requestAnimationFrame(draw));
  private readonly map: RiderMap | null;
  private readonly tokenForm: TokenForm;
  private conflatedMs = 0;

  constructor(
    config: Config,
    private readonly gateway: Gateway,
  ) {
    this.fleet = new Fleet(config.topics, (alert) => this.alerts.add(alert));
    this.alerts = new AlertList(this.fleet, (alert) => this.chooseAlert(alert));
    this.riders = new RiderList(this.fleet, (rider) => this.choose(rider));
    this.map = this.makeMap(config);
    this.reader = this.makeReader([config.topics.out, config.topics.in]);
    this.painter.add(50, (nowMs) => this.alerts.draw(nowMs));
    this.painter.add(100, (nowMs) => this.drawChart(nowMs));
    this.painter.add(250, (nowMs) => this.map?.draw(nowMs));
    this.painter.add(500, (nowMs) => this.riders.draw(nowMs));
    this.painter.add(500, (nowMs) => this.drawFigures(nowMs));
    this.tokenForm = new TokenForm((token) => {
      gateway.keepToken(token);
      this.reader.drop("Another token.");
      this.reader.start();
    });
    this.listen();
  }

  start(): void {
    this.reader.start();
    // Silence is seen too.
    setInterval(() => this.painter.touch(), 1000);
    this.painter.touch();
  }

  private makeMap(config: Config): RiderMap | null {
    try {
      return new RiderMap(element("map"), config.tileUrl, this.fleet, {
        choose: (rider) => this.choose(rider),
        followEnds: () => (element<HTMLInputElement>("follow").checked = false),
      });
    } catch (error) {
      setText("no-map", `The map needs WebGL, which this browser does not give (${(error as Error).message}).`);
      element("no-map").hidden = false;
      return null;
    }
  }

  /** `?from=earliest` begins with all that the topics hold; `?key=rider-1,rider-2` reads these riders only. */
  private makeReader(topics: string[]): Reader {
    const asked = new URLSearchParams(location.search);
    const key = asked.get("key");
    const query = { conflate: "true", ...(key ? { key } : {}) };
    return new Reader({
      from: asked.get("from") ?? "latest",
      connect: (from) => this.gateway.openSocket(topics, { ...query, from }),
      whyRefused: (from) => this.gateway.whyRefused(topics, { ...query, from }, "GET"),
      onRecords: (records, conflated) => {
        this.fleet.take(records, Date.now());
        this.conflatedMs = conflated ? Date.now() : this.conflatedMs;
        if (this.fleet.selected === null) {
          this.chooseFirst();
        }
        this.painter.touch();
      },
      onChange: () => this.showConnection(),
    });
  }

  private listen(): void {
    element("show-all").addEventListener("click", () => this.map?.showAll());
    element<HTMLInputElement>("follow").addEventListener("change", (event) => {
      if (this.map) {
        this.map.follow = (event.target as HTMLInputElement).checked;
        this.painter.touch();
      }
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.map?.repaint();
      this.chart.repaint();
      this.painter.touch();
    });
    window.addEventListener("offline", () => this.reader.drop("This device is offline."));
    window.addEventListener("online", () => this.reader.start());
  }

  private choose(rider: string): void {
    this.fleet.selected = rider;
    this.painter.touch();
  }

  private chooseFirst(): void {
    const [first] = this.fleet.riders.keys();
    if (first !== undefined) {
      this.choose(first);
    }
  }

  private chooseAlert({ rider, place }: Alert): void {
    this.choose(rider);
    if (place) {
      this.map?.show(place);
    }
  }

  private showConnection(): void {
    const { state } = this.reader;
    const texts = { connecting: "Connecting…", open: "Live", waiting: "Not connected, trying again" };
    setText("connection", texts[state.kind]);
    if (state.kind === "open") {
      this.map?.reconnected();
      this.tokenForm.hide();
    } else if (state.kind === "waiting" && state.wantsToken) {
      this.tokenForm.show();
    }
    element("other-log").hidden = this.reader.moves === 0;
    element("connection").dataset["state"] = state.kind;
    if (state.kind !== "connecting") {
      const reason = state.kind === "waiting" ? state.reason : "";
      setText("trouble", reason);
      element("trouble").hidden = reason === "";
    }
  }

  private drawChart(nowMs: number): void {
    const rider = this.fleet.riders.get(this.fleet.selected ?? "");
    this.chart.draw(rider?.forces.columns(nowMs - SHOWN_MS) ?? [[], [], [], []], nowMs);
  }

  private drawFigures(nowMs: number): void {
    const { riders, rate, latencyMs, alerts } = this.fleet;
    setText("figure-riders", String(riders.size));
    setText("figure-rate", rate.perSecond(nowMs).toFixed(rate.perSecond(nowMs) < 10 ? 1 : 0));
    for (const [name, samples] of Object.entries(latencyMs)) {
      setText(`latency-${name}`, durationText(samples.percentile(0.5)));
      setText(`latency-${name}-99`, durationText(samples.percentile(0.99)));
    }
    setText("alert-count", alerts.total === 0 ? "" : `(${alerts.total})`);
    element("conflated").hidden = nowMs - this.conflatedMs > CONFLATED_MS;
    element("skipped").hidden = this.reader.skips === 0;
    this.drawChosen();
  }

  private drawChosen(): void {
    const rider = this.fleet.riders.get(this.fleet.selected ?? "");
    const shaking = rider?.shaking === undefined ? "–" : rider.shaking ? "yes" : "no";
    setText("chosen-name", rider?.name ?? "no rider");
    setText("chosen-total", numberText(rider?.total));
    setText("chosen-mean", numberText(rider?.mean));
    setText("chosen-shaking", shaking);
    setText("chosen-speed", numberText(rider?.speed === undefined ? undefined : rider.speed * 3.6, " km/h", 0));
    setText("chosen-heart", numberText(rider?.heartRate, " bpm", 0));
    element("chosen-shaking").dataset["state"] = shaking;
    const text = rider
      ? `Force of ${rider.name} over two minutes: now ${numberText(rider.total)}, mean of ten seconds ` +
        `${numberText(rider.mean)} m/s², shaking: ${shaking}`
      : "Force: no rider is chosen";
    if (element("chart").getAttribute("aria-label") !== text) {
      element("chart").setAttribute("aria-label", text);
    }
  }
}

/** Which topics there are only the gateway knows, so that it is asked until it answers. */
async function settingsOf(gateway: Gateway): Promise<Config> {
  const settings = new Settings(gateway.ask, localStorage);
  const backoff = new Backoff();
  for (;;) {
    try {
      return await settings.get();
    } catch {
      setText("connection", "Not connected, trying again");
      await new Promise((resolve) => setTimeout(resolve, backoff.nextMs()));
    }
  }
}

async function main(): Promise<void> {
  const gateway = new Gateway("dashboard");
  gateway.takeHandover();
  new Dashboard(await settingsOf(gateway), gateway).start();
}

void main();
