/** Texts of the page, touched only where they change. */

export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function setText(id: string, text: string): void {
  const found = element(id);
  if (found.textContent !== text) {
    found.textContent = text;
  }
}

export function timeText(ms: number): string {
  return new Date(ms).toLocaleTimeString();
}

export function durationText(ms: number | null): string {
  if (ms === null) {
    return "–";
  }
  if (Math.abs(ms) < 1000) {
    return `${Math.round(ms)} ms`;
  }
  return Math.abs(ms) < 100_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

export function numberText(value: number | undefined, unit = "", digits = 1): string {
  return value === undefined ? "–" : value.toFixed(digits) + unit;
}
