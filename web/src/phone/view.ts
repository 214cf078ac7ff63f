/** What the phone page shows. */

import type { Reading } from "./row";
import { NO_CONNECTION, type SenderState } from "./sender";

export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** Points of the trace: 30 seconds at 4 Hz. */
const TRACE_POINTS = 120;
const TRACE_TOP = 40;

export class View {
  private readonly troubles = new Map<string, string>();
  private readonly trace: (number | null)[] = [];
  private refreshing = false;
  private stale = false;

  connection(state: SenderState): void {
    const texts: Record<SenderState["kind"], string> = {
      idle: "Not sending",
      connecting: "Connecting…",
      open: "Connected",
      waiting: "Offline, rows are kept",
      elsewhere: "Sent from elsewhere",
    };
    const pill = element("connection");
    this.text(pill, texts[state.kind]);
    pill.dataset["state"] = state.kind;
    if (state.kind !== "connecting") {
      const telling = state.kind === "waiting" && navigator.onLine && state.reason !== NO_CONNECTION;
      this.trouble(telling ? state.reason : null, "connection");
    }
  }

  running(sending: boolean, mayStart: boolean): void {
    element("start").hidden = sending;
    element<HTMLButtonElement>("start").disabled = !mayStart;
    element("stop").hidden = !sending;
    element<HTMLInputElement>("rider").readOnly = sending;
  }

  elsewhere(text: string | null): void {
    element("elsewhere").hidden = text === null;
    this.text(element("elsewhere-text"), text ?? "");
  }

  /** Each part of the page has one trouble at a time; null: none. */
  trouble(text: string | null, of = "sensors"): void {
    if (text === null) {
      this.troubles.delete(of);
    } else {
      this.troubles.set(of, text);
    }
    element("trouble").hidden = this.troubles.size === 0;
    this.text(element("trouble"), [...this.troubles.values()].join(" "));
  }

  reading(found: Reading | null): void {
    const { gForceX: x, gForceY: y, gForceZ: z } = found ?? {};
    const total = x === undefined ? null : Math.abs(x) + Math.abs(y ?? 0) + Math.abs(z ?? 0);
    this.number("total", total);
    this.number("x", x);
    this.number("y", y);
    this.number("z", z);
    const here = found?.latitude !== undefined && found.longitude !== undefined;
    this.text(element("place"), here ? `${found.latitude?.toFixed(5)}, ${found.longitude?.toFixed(5)}` : "–");
    this.number("speed", typeof found?.speed === "number" ? found.speed * 3.6 : null, " km/h");
    this.number("altitude", found?.altitude, " m", 0);
    this.number("heart-rate", found?.heartRate, " bpm", 0);
    this.draw(total);
  }

  rows(measured: number, acknowledged: number, lost: number): void {
    this.text(element("measured"), String(measured));
    this.text(element("acknowledged"), String(acknowledged));
    element("lost-figure").hidden = lost === 0;
    this.text(element("lost"), String(lost));
  }

  counts(waiting: number, refused: number, why: string): void {
    this.text(element("waiting"), String(waiting));
    element("refused").hidden = refused === 0;
    this.text(element("refused-rows"), String(refused));
    this.text(element("refused-why"), why);
  }

  heart(sensor: string | null, connected: boolean): void {
    const text = connected ? `${sensor} is connected` : `${sensor} is out of reach`;
    this.text(element("heart"), sensor === null ? "Connect a heart-rate sensor" : text);
  }

  /** Runs `refresh`, one at a time; calls meanwhile become one more. */
  later(refresh: () => Promise<void>): void {
    this.stale = true;
    if (this.refreshing) {
      return;
    }
    this.refreshing = true;
    void (async () => {
      while (this.stale) {
        this.stale = false;
        await refresh().catch((error: Error) => this.trouble(error.message, "store"));
      }
      this.refreshing = false;
    })();
  }

  private draw(total: number | null): void {
    this.trace.push(total);
    this.trace.splice(0, this.trace.length - TRACE_POINTS);
    let pen = "M";
    const steps = this.trace.map((value, index) => {
      if (value === null) {
        pen = "M";
        return "";
      }
      const x = ((index + TRACE_POINTS - this.trace.length) / TRACE_POINTS) * 240;
      const step = `${pen}${x.toFixed(1)} ${(58 - (Math.min(value, TRACE_TOP) / TRACE_TOP) * 56).toFixed(1)}`;
      pen = "L";
      return step;
    });
    document.getElementById("trace-line")?.setAttribute("d", steps.join(""));
  }

  private number(id: string, value: number | null | undefined, unit = "", digits = 1): void {
    this.text(element(id), typeof value === "number" ? value.toFixed(digits) + unit : "–");
  }

  /** Touches the page only where something changes, so that a screen reader is not told the same again. */
  private text(where: HTMLElement, text: string): void {
    if (where.textContent !== text) {
      where.textContent = text;
    }
  }
}
