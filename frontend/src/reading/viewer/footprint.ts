/**
 * Which image columns (or rows) make up each device pixel along one axis, and with what weights:
 * the exact area when the image is reduced, the two neighbours when it is magnified, the pixel
 * itself at 1:1. Both renderers draw from this one table, so that they show the same values.
 */
export interface Footprints {
  /** Device pixels [from, to) lie on the image. */
  from: number;
  to: number;
  /** For each device pixel: first column, how many, weight of the first, weight of the last. */
  table: Float64Array;
}

export const PER_PIXEL = 4;

/** ``offset``: device pixel of the image's edge; ``extent``: columns; ``length``: device pixels. */
export function footprints(
  offset: number, scale: number, extent: number, length: number,
): Footprints {
  // A device pixel belongs to the image when its centre does.
  const from = Math.max(0, Math.ceil(offset - 0.5));
  const to = Math.max(from, Math.min(length, Math.ceil(offset + extent * scale - 0.5)));
  const table = new Float64Array(PER_PIXEL * length);
  const half = 0.5 / scale;
  for (let pixel = from; pixel < to; pixel++) {
    const centre = (pixel + 0.5 - offset) / scale;
    const at = PER_PIXEL * pixel;
    if (scale < 1) {
      const low = Math.max(0, centre - half);
      const high = Math.min(extent, centre + half);
      const first = Math.floor(low);
      const count = Math.ceil(high) - first;
      table[at] = first;
      table[at + 1] = count;
      table[at + 2] = Math.min(high, first + 1) - low;
      table[at + 3] = high - (first + count - 1);
    } else {
      const before = Math.floor(centre - 0.5);
      const share = centre - 0.5 - before;
      const single = share === 0 || before < 0 || before + 1 >= extent;
      table[at] = Math.min(extent - 1, Math.max(0, before));
      table[at + 1] = single ? 1 : 2;
      table[at + 2] = single ? 1 : 1 - share;
      table[at + 3] = share;
    }
  }
  return { from, to, table };
}

/** The sum of a device pixel's weights. */
export function weight(table: Float64Array, pixel: number): number {
  const at = PER_PIXEL * pixel;
  const count = table[at + 1]!;
  return count > 1 ? table[at + 2]! + table[at + 3]! + count - 2 : table[at + 2]!;
}
