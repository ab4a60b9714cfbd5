/** Rotated, mirrored and sharpened copies of a frame, where the protocol allows them. */
import type { Frame } from "./frame";

export interface Treatment {
  /** Quarter turns clockwise, 0 to 3. */
  turns: number;
  /** Mirrored left to right, before turning. */
  mirrored: boolean;
  /** Strength of the unsharp mask, 0 for none. */
  edge: number;
}

export const PLAIN: Treatment = { turns: 0, mirrored: false, edge: 0 };

export function derive(frame: Frame, treatment: Treatment): Frame {
  let derived = frame;
  if (treatment.edge) derived = sharpen(derived, treatment.edge);
  if (treatment.mirrored || treatment.turns) derived = turn(derived, treatment);
  return derived;
}

/** Where a point of the stored image lies in the treated one. Both in image pixels. */
export function forward(
  [x, y]: [number, number],
  { turns, mirrored }: Treatment,
  width: number,
  height: number,
): [number, number] {
  if (mirrored) x = width - x;
  for (let i = 0; i < turns; i++) {
    [x, y] = [height - y, x];
    [width, height] = [height, width];
  }
  return [x, y];
}

/** The other way: from the treated image to the stored one, whose size is given. */
export function backward(
  [x, y]: [number, number],
  { turns, mirrored }: Treatment,
  width: number,
  height: number,
): [number, number] {
  // Sizes after each quarter turn, undone last to first.
  for (let i = turns; i > 0; i--) {
    const before = i % 2 ? height : width;
    [x, y] = [y, before - x];
  }
  return mirrored ? [width - x, y] : [x, y];
}

function turn(frame: Frame, treatment: Treatment): Frame {
  const { columns, rows, pixels } = frame;
  const swapped = treatment.turns % 2 === 1;
  const [wide, high] = swapped ? [rows, columns] : [columns, rows];
  const turned = new Uint16Array(pixels.length);
  // The source index is linear in the target's column and row.
  const source = (x: number, y: number): number => {
    const [u, v] = backward([x + 0.5, y + 0.5], treatment, columns, rows);
    return (v - 0.5) * columns + (u - 0.5);
  };
  const start = source(0, 0);
  const right = source(1, 0) - start;
  const down = source(0, 1) - start;
  for (let y = 0, i = 0; y < high; y++) {
    for (let x = 0, from = start + y * down; x < wide; x++, i++, from += right) {
      turned[i] = pixels[from]!;
    }
  }
  return { ...frame, columns: wide, rows: high, pixels: turned, ahead: undefined };
}

const RADIUS = 2;

/** Unsharp mask: v + edge * (v - mean of the 5 x 5 neighbourhood), within the frame's range. */
function sharpen(frame: Frame, edge: number): Frame {
  const { columns, rows, pixels } = frame;
  const most = 2 ** frame.bits - 1;
  const sharp = new Uint16Array(pixels.length);
  const lines = new Float32Array(columns);
  for (let y = 0; y < rows; y++) {
    const top = Math.max(0, y - RADIUS);
    const bottom = Math.min(rows - 1, y + RADIUS);
    lines.fill(0);
    for (let row = top; row <= bottom; row++) {
      for (let x = 0, i = row * columns; x < columns; x++, i++) lines[x]! += pixels[i]!;
    }
    for (let x = 0; x < columns; x++) {
      const left = Math.max(0, x - RADIUS);
      const right = Math.min(columns - 1, x + RADIUS);
      let sum = 0;
      for (let column = left; column <= right; column++) sum += lines[column]!;
      const value = pixels[y * columns + x]!;
      const mean = sum / ((right - left + 1) * (bottom - top + 1));
      sharp[y * columns + x] = Math.min(most, Math.max(0, value + edge * (value - mean) + 0.5));
    }
  }
  return { ...frame, pixels: sharp, ahead: undefined };
}
