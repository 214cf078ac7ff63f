/** The riders to choose from: radio buttons, so that arrow keys and screen readers know them. */

import type { Fleet, Rider } from "./fleet";
import { SILENT_MS } from "./map";
import { element } from "./page_text";

interface Line {
  label: HTMLLabelElement;
  input: HTMLInputElement;
  state: HTMLSpanElement;
}

const ORDER = new Intl.Collator(undefined, { numeric: true });

export class RiderList {
  private readonly lines = new Map<string, Line>();
  private readonly list = element("riders");
  private readonly search = element<HTMLInputElement>("rider-search");
  private drawnVersion = -1;

  constructor(
    private readonly fleet: Fleet,
    choose: (rider: string) => void,
  ) {
    this.search.addEventListener("input", () => this.filter());
    this.list.addEventListener("change", (event) => choose((event.target as HTMLInputElement).value));
  }

  draw(nowMs: number): void {
    if (this.drawnVersion !== this.fleet.membersVersion) {
      this.drawnVersion = this.fleet.membersVersion;
      this.arrange();
    }
    for (const [name, line] of this.lines) {
      const rider = this.fleet.riders.get(name);
      if (rider) {
        const [state, text] = stateOf(rider, nowMs);
        if (line.label.dataset["state"] !== state || line.state.textContent !== text) {
          line.label.dataset["state"] = state;
          line.state.textContent = text;
        }
        line.input.checked = name === this.fleet.selected;
      }
    }
  }

  /** Lines in the order of names; those that are there stay, with the focus where it is. */
  private arrange(): void {
    for (const [name, { label }] of this.lines) {
      if (!this.fleet.riders.has(name)) {
        label.remove();
        this.lines.delete(name);
      }
    }
    let before: Element | null = null;
    for (const name of [...this.fleet.riders.keys()].sort(ORDER.compare)) {
      const line = this.lines.get(name) ?? this.make(name);
      const next: Element | null = before ? before.nextElementSibling : this.list.firstElementChild;
      if (next !== line.label) {
        this.list.insertBefore(line.label, next);
      }
      before = line.label;
    }
    element("no-riders").hidden = this.lines.size > 0;
    this.filter();
  }

  private make(name: string): Line {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "rider", value: name });
    const text = document.createElement("span");
    Object.assign(text, { className: "rider-name", textContent: name });
    const state = document.createElement("span");
    state.className = "rider-state";
    label.append(input, text, state);
    const line = { label, input, state };
    this.lines.set(name, line);
    return line;
  }

  private filter(): void {
    const wanted = this.search.value.trim().toLowerCase();
    for (const [name, { label }] of this.lines) {
      label.hidden = !name.toLowerCase().includes(wanted);
    }
  }
}

function stateOf(rider: Rider, nowMs: number): [state: string, text: string] {
  if (nowMs - rider.seenMs >= SILENT_MS) {
    return ["silent", "silent"];
  }
  if (nowMs - rider.aheadMs < SILENT_MS) {
    return ["silent", "clock is ahead"];
  }
  if (rider.shaking) {
    return ["shaking", "shaking"];
  }
  return ["fine", rider.speed === undefined ? "" : `${(rider.speed * 3.6).toFixed(0)} km/h`];
}
