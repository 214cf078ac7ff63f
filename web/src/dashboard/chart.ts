/** The force of one rider: raw, its mean over ten seconds, and when it counts as shaking. */

import uPlot from "uplot";
import type { Columns } from "./force_ring";
import { colour } from "./map_style";
import { timeText } from "./page_text";

/** What the chart shows, up to now. */
export const SHOWN_MS = 120_000;
const LEAST_FORCE = 20;

export class ForceChart {
  private plot: uPlot;
  private data: Columns = [[], [], [], []];

  constructor(private readonly container: HTMLElement) {
    this.plot = this.make();
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(container);
  }

  draw(data: Columns, nowMs: number): void {
    this.data = data;
    this.plot.batch(() => {
      this.plot.setData(data as uPlot.AlignedData, false);
      this.plot.setScale("x", { min: (nowMs - SHOWN_MS) / 1000, max: nowMs / 1000 });
      this.plot.setScale("force", { min: 0, max: this.top() });
      this.plot.setScale("shaking", { min: 0, max: 1 });
    });
  }

  /** Takes the colours of the scheme of the moment: uPlot takes them when it is made. */
  repaint(): void {
    this.plot.destroy();
    this.plot = this.make();
  }

  private top(): number {
    const highest = this.data[1].reduce<number>((most, value) => Math.max(most, value ?? 0), 0);
    return Math.max(LEAST_FORCE, Math.ceil((highest * 1.05) / 10) * 10);
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(this.container.clientWidth, 200), height: Math.max(this.container.clientHeight, 120) };
  }

  private make(): uPlot {
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const options: uPlot.Options = {
      ...this.size(),
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: true, auto: false }, force: { auto: false }, shaking: { auto: false } },
      axes: [
        { ...axis, size: 30, space: 80, values: (_, ticks) => ticks.map((seconds) => timeText(seconds * 1000)) },
        { ...axis, scale: "force", size: 40 },
      ],
      series: [
        {},
        { label: "raw", scale: "force", stroke: colour("raw"), width: 1.2, points: { show: false } },
        { label: "mean of 10 s", scale: "force", stroke: colour("mean"), width: 2.5, points: { show: false } },
        {
          label: "shaking",
          scale: "shaking",
          fill: `color-mix(in srgb, ${colour("alert")} 26%, transparent)`,
          width: 0,
          points: { show: false },
          ...stepped(),
        },
      ],
    };
    return new uPlot(options, this.data as uPlot.AlignedData, this.container);
  }
}

function stepped(): { paths?: uPlot.Series.PathBuilder } {
  const paths = uPlot.paths.stepped?.({ align: 1 });
  return paths ? { paths } : {};
}
