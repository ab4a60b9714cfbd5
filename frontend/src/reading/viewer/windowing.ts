/** Windows by name, drag and step. */
import type { Frame, Window } from "./frame";

export interface Preset {
  name: string;
  of: (frame: Frame) => { centre: number; width: number };
}

const between = (low: number, high: number): { centre: number; width: number } => ({
  centre: (low + high) / 2,
  width: Math.max(1, high - low),
});

const full = (frame: Frame) => between(0, 2 ** frame.bits - 1);

/** Quantile i of frame.ts' QUANTILES. */
const quantile = (frame: Frame, i: number): number => frame.quantiles[i] ?? 0;

export const PRESETS: Preset[] = [
  { name: "Default", of: full },
  { name: "Auto", of: (frame) => between(quantile(frame, 1), quantile(frame, 4)) },
  { name: "Lungs", of: (frame) => between(quantile(frame, 0), quantile(frame, 3)) },
  { name: "Mediastinum", of: (frame) => between(quantile(frame, 2), quantile(frame, 5)) },
];

export function initial(frame: Frame): Window {
  return { ...full(frame), invert: false };
}

/** Centre within the frame's values, width from 1 to twice their range. */
export function bounded(window: Window, bits: number): Window {
  const range = 2 ** bits - 1;
  return {
    invert: window.invert,
    centre: Math.min(range, Math.max(0, window.centre)),
    width: Math.min(2 * range, Math.max(1, window.width)),
  };
}

/** Right is wider, down is darker, as on most workstations; 1,000 CSS px cover the whole range. */
export function dragged(from: Window, dx: number, dy: number, bits: number): Window {
  const range = 2 ** bits - 1;
  const width = from.width + (dx / 1000) * range;
  const centre = from.centre + (dy / 1000) * range;
  return bounded({ ...from, width, centre }, bits);
}
