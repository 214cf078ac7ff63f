/** The alerts, newest first, and what a screen reader is told of them. */

import { type Alert, QUIET_MS } from "./alerts";
import type { Fleet } from "./fleet";
import { element, timeText } from "./page_text";

const SHOWN = 50;
/** New alerts are read out together, so that many at once do not queue up for minutes. */
const SAY_EVERY_MS = 2000;

export class AlertList {
  private readonly lines = new Map<number, { item: HTMLLIElement; detail: HTMLSpanElement }>();
  private readonly list = element("alerts");
  private unsaid: Alert[] = [];
  private saidMs = 0;

  constructor(
    private readonly fleet: Fleet,
    private readonly choose: (alert: Alert) => void,
  ) {}

  add(alert: Alert): void {
    this.unsaid.push(alert);
    if (this.unsaid.length > SHOWN) {
      this.unsaid.shift();
    }
  }

  draw(nowMs: number): void {
    const shown = this.fleet.alerts.all.slice(-SHOWN);
    const numbers = new Set(shown.map(({ number }) => number));
    for (const [number, { item }] of this.lines) {
      if (!numbers.has(number)) {
        item.remove();
        this.lines.delete(number);
      }
    }
    let newer: Element | null = null;
    for (const alert of shown.reverse()) {
      const line = this.lines.get(alert.number) ?? this.make(alert);
      // Alerts of a backlog come partition by partition, not in the order of time.
      const next: Element | null = newer ? newer.nextElementSibling : this.list.firstElementChild;
      if (next !== line.item) {
        this.list.insertBefore(line.item, next);
      }
      newer = line.item;
      const goesOn = nowMs - alert.endMs < QUIET_MS;
      const lasted = `${((alert.endMs - alert.beginMs) / 1000).toFixed(0)} s`;
      const text = `peak ${alert.peak.toFixed(0)} m/s² · ${goesOn ? "goes on" : lasted}`;
      if (line.detail.textContent !== text) {
        line.detail.textContent = text;
        line.item.dataset["state"] = goesOn ? "now" : "over";
      }
    }
    element("no-alerts").hidden = this.lines.size > 0;
    this.say(nowMs);
  }

  private make(alert: Alert): { item: HTMLLIElement; detail: HTMLSpanElement } {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    const name = document.createElement("strong");
    name.textContent = alert.rider;
    const time = document.createElement("time");
    time.dateTime = new Date(alert.beginMs).toISOString();
    time.textContent = timeText(alert.beginMs);
    const detail = document.createElement("span");
    button.append(name, time, detail);
    button.addEventListener("click", () => this.choose(alert));
    item.append(button);
    const line = { item, detail };
    this.lines.set(alert.number, line);
    return line;
  }

  private say(nowMs: number): void {
    if (this.unsaid.length === 0 || nowMs - this.saidMs < SAY_EVERY_MS) {
      return;
    }
    const names = [...new Set(this.unsaid.map(({ rider }) => rider))];
    const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
    element("announcement").textContent = `Alert: ${names.slice(0, 3).join(", ")}${more} shaken`;
    this.unsaid = [];
    this.saidMs = nowMs;
  }
}
