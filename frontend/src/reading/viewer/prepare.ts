/** A frame's first sight, made ahead of time: the whole image in its tile, at the first window. */
import { fit, type Frame, type Prepared, type Size, viewKey, type Window } from "./frame";
import { OUTSIDE, resample } from "./resample";
import { initial } from "./windowing";

/** What is to be drawn when the frame is shown in a tile of this size; null when there is none. */
export function prepare(frame: Frame, tile: Size): Prepared | null {
  if (tile.width < 1 || tile.height < 1) return null;
  const view = fit({ width: frame.columns, height: frame.rows }, tile);
  const values = resample(frame, view, tile);
  const grey = new Uint8ClampedArray(4 * values.length);
  const window = initial(frame);
  shade(values, window, new Uint32Array(grey.buffer));
  return { key: viewKey(view, tile), tile: { width: tile.width, height: tile.height }, values, grey, window };
}

/** Values through a window, as opaque greys: one 32-bit word a pixel, black outside the image. */
export function shade(values: Float32Array, window: Window, into: Uint32Array): void {
  const low = window.centre - window.width / 2;
  let gain = 255 / window.width;
  let base = 0.5 - low * gain;
  if (window.invert) {
    gain = -gain;
    base = 256 - base;
  }
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value === OUTSIDE) {
      into[i] = 0xff000000;
      continue;
    }
    const level = value * gain + base;
    into[i] = 0xff000000 | ((level <= 0 ? 0 : level >= 255 ? 255 : level | 0) * 0x010101);
  }
}

export function sameWindow(a: Window, b: Window): boolean {
  return a.centre === b.centre && a.width === b.width && a.invert === b.invert;
}
