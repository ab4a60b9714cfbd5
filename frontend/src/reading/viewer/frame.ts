/** Decoded pixels of one case, and how they become the values that are windowed. */

export interface Frame {
  columns: number;
  rows: number;
  bits: number;
  /** rows x columns, 0 .. 2^bits - 1. */
  pixels: Uint16Array;
  /** Stored values below which 0.5, 1, 40, 60, 99 and 99.9 % of the pixels lie. */
  quantiles: number[];
  /** Millimetres a pixel, where known. */
  spacing?: number;
  /** Made ahead of time for the view that will be shown first; see prepare.ts. */
  ahead?: Prepared;
}

export interface Prepared {
  /** viewKey of the view. */
  key: string;
  tile: Size;
  /** As resample() gives them. */
  values: Float32Array;
  /** The same through ``window``: red, green, blue and opacity a pixel. */
  grey: Uint8ClampedArray<ArrayBuffer>;
  window: Window;
}

/** Where an image lies in its tile: device pixels an image pixel, and of the image's corner. */
export interface View {
  scale: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

/** Linear grey mapping: values from centre - width / 2 (black) to centre + width / 2 (white). */
export interface Window {
  centre: number;
  width: number;
  invert: boolean;
}

export const QUANTILES = [0.005, 0.01, 0.4, 0.6, 0.99, 0.999];

/** Throws when a value exceeds the bits: such a frame is damaged. */
export function quantiles(pixels: Uint16Array, bits: number): number[] {
  const counts = new Uint32Array(1 << 16);
  for (let i = 0; i < pixels.length; i++) counts[pixels[i]!]!++;
  if (counts.subarray(1 << bits).some((count) => count)) throw new Error("frame exceeds its bits");
  const found: number[] = [];
  let below = 0;
  let next = 0;
  for (let value = 0; value < counts.length && next < QUANTILES.length; value++) {
    below += counts[value]!;
    while (next < QUANTILES.length && below >= QUANTILES[next]! * pixels.length) {
      found.push(value);
      next++;
    }
  }
  return found;
}

/** The largest whole-image view: centred, its corner on a device pixel. */
export function fit(image: Size, tile: Size): View {
  const scale = Math.min(tile.width / image.width, tile.height / image.height);
  return centred(image, tile, scale);
}

export function centred(image: Size, tile: Size, scale: number): View {
  return {
    scale,
    x: Math.round((tile.width - image.width * scale) / 2),
    y: Math.round((tile.height - image.height * scale) / 2),
  };
}

export function viewKey(view: View, tile: Size): string {
  return `${view.scale}/${view.x}/${view.y}/${tile.width}/${tile.height}`;
}
