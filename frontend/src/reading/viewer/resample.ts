/** Image values on a tile's device pixels: area average when reduced, bilinear when magnified. */
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
  if (view.scale < 1) reduce(frame, view, tile, into);
  else magnify(frame, view, tile, into);
  return into;
}

/** First and last device pixel (exclusive) whose centre lies on the image along one axis. */
function span(offset: number, scale: number, extent: number, length: number): [number, number] {
  const first = Math.max(0, Math.ceil(offset - 0.5));
  const last = Math.min(length, Math.ceil(offset + extent * scale - 0.5));
  return [first, Math.max(first, last)];
}

function reduce(frame: Frame, view: View, tile: Size, into: Float32Array): void {
  const { columns, rows, pixels } = frame;
  const [left, right] = span(view.x, view.scale, columns, tile.width);
  const [top, bottom] = span(view.y, view.scale, rows, tile.height);
  into.fill(OUTSIDE);
  if (left >= right || top >= bottom) return;
  const half = 0.5 / view.scale;
  // Each device pixel's footprint along x, cut to the image: whole columns and two part ones.
  const from = new Float64Array(right - left);
  const to = new Float64Array(right - left);
  for (let x = left; x < right; x++) {
    const centre = (x + 0.5 - view.x) / view.scale;
    from[x - left] = Math.max(0, centre - half);
    to[x - left] = Math.min(columns, centre + half);
  }
  const first = Math.floor(from[0]!);
  const last = Math.min(columns, Math.ceil(to[to.length - 1]!));
  const sums = new Float64Array(last - first);
  const upTo = new Float64Array(last - first + 1);
  for (let y = top; y < bottom; y++) {
    const centre = (y + 0.5 - view.y) / view.scale;
    const low = Math.max(0, centre - half);
    const high = Math.min(rows, centre + half);
    sums.fill(0);
    for (let row = Math.floor(low); row < high; row++) {
      const weight = Math.min(high, row + 1) - Math.max(low, row);
      const start = row * columns + first;
      if (weight === 1) for (let i = 0; i < sums.length; i++) sums[i]! += pixels[start + i]!;
      else for (let i = 0; i < sums.length; i++) sums[i]! += weight * pixels[start + i]!;
    }
    // Running sums make each footprint a difference of two look-ups, however wide it is.
    for (let i = 0; i < sums.length; i++) upTo[i + 1] = upTo[i]! + sums[i]!;
    const height = high - low;
    for (let x = left; x < right; x++) {
      const a = from[x - left]!;
      const b = to[x - left]!;
      const total = sumBefore(upTo, sums, b - first) - sumBefore(upTo, sums, a - first);
      into[y * tile.width + x] = total / ((b - a) * height);
    }
  }
}

function sumBefore(upTo: Float64Array, sums: Float64Array, at: number): number {
  const whole = Math.floor(at);
  return upTo[whole]! + (whole < sums.length ? (at - whole) * sums[whole]! : 0);
}

function magnify(frame: Frame, view: View, tile: Size, into: Float32Array): void {
  const { columns, rows, pixels } = frame;
  const [left, right] = span(view.x, view.scale, columns, tile.width);
  const [top, bottom] = span(view.y, view.scale, rows, tile.height);
  if (right - left < tile.width || bottom - top < tile.height) into.fill(OUTSIDE);
  const before = new Int32Array(tile.width);
  const after = new Int32Array(tile.width);
  const share = new Float32Array(tile.width);
  for (let x = left; x < right; x++) {
    const u = (x + 0.5 - view.x) / view.scale - 0.5;
    const whole = Math.floor(u);
    before[x] = Math.max(0, whole);
    after[x] = Math.min(columns - 1, whole + 1);
    share[x] = u - whole;
  }
  for (let y = top; y < bottom; y++) {
    const v = (y + 0.5 - view.y) / view.scale - 0.5;
    const whole = Math.floor(v);
    const part = v - whole;
    const above = Math.max(0, whole) * columns;
    const below = Math.min(rows - 1, whole + 1) * columns;
    const line = y * tile.width;
    for (let x = left; x < right; x++) {
      const a = before[x]!;
      const b = after[x]!;
      const s = share[x]!;
      const up = pixels[above + a]! * (1 - s) + pixels[above + b]! * s;
      const down = pixels[below + a]! * (1 - s) + pixels[below + b]! * s;
      into[line + x] = up * (1 - part) + down * part;
    }
  }
}
