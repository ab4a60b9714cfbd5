/** Image values on a tile's device pixels: area average when reduced, bilinear when magnified. */
import { footprints, PER_PIXEL, weight } from "./footprint";
import type { Frame, Size, View } from "./frame";

/** Marks device pixels outside the image. */
export const OUTSIDE = -1;

/** tile.width x tile.height values in the frame's units, OUTSIDE beyond the image. */
export function resample(
  frame: Frame,
  view: View,
  tile: Size,
  into = new Float32Array(tile.width * tile.height),
): Float32Array {
  const { columns, rows, pixels } = frame;
  const across = footprints(view.x, view.scale, columns, tile.width);
  const down = footprints(view.y, view.scale, rows, tile.height);
  into.fill(OUTSIDE);
  if (across.from >= across.to || down.from >= down.to) return into;
  const horizontal = across.table;
  const vertical = down.table;
  const first = horizontal[PER_PIXEL * across.from]!;
  const end = PER_PIXEL * (across.to - 1);
  const count = horizontal[end]! + horizontal[end + 1]! - first;
  const sums = new Float64Array(count);
  const upTo = new Float64Array(count + 1);
  const shares = new Float64Array(tile.width);
  for (let x = across.from; x < across.to; x++) shares[x] = 1 / weight(horizontal, x);
  for (let y = down.from; y < down.to; y++) {
    addRows(pixels, columns, first, vertical, y, sums);
    // Running sums make each footprint a difference of two look-ups, however wide it is.
    for (let i = 0; i < count; i++) upTo[i + 1] = upTo[i]! + sums[i]!;
    const share = 1 / weight(vertical, y);
    const line = y * tile.width;
    for (let x = across.from, at = PER_PIXEL * x; x < across.to; x++, at += PER_PIXEL) {
      const start = horizontal[at]! - first;
      const wide = horizontal[at + 1]!;
      let total = horizontal[at + 2]! * sums[start]!;
      if (wide > 1) {
        const last = start + wide - 1;
        total += upTo[last]! - upTo[start + 1]! + horizontal[at + 3]! * sums[last]!;
      }
      into[line + x] = total * shares[x]! * share;
    }
  }
  return into;
}

/** The weighted sum of the image rows that make up device row ``y``, column by column. */
function addRows(
  pixels: Uint16Array, columns: number, first: number, vertical: Float64Array, y: number,
  sums: Float64Array,
): void {
  const at = PER_PIXEL * y;
  const top = vertical[at]!;
  const high = vertical[at + 1]!;
  sums.fill(0);
  for (let row = 0; row < high; row++) {
    const share = row === 0 ? vertical[at + 2]! : row === high - 1 ? vertical[at + 3]! : 1;
    const start = (top + row) * columns + first;
    if (share === 1) for (let i = 0; i < sums.length; i++) sums[i]! += pixels[start + i]!;
    else for (let i = 0; i < sums.length; i++) sums[i]! += share * pixels[start + i]!;
  }
}
