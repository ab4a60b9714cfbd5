/** Tiles on the canvas, in device pixels. */
import type { Size } from "./frame";

export interface Tile extends Size {
  left: number;
  top: number;
}

const GAP = 4;

/** ``count`` equal tiles, in the arrangement that shows square images largest. */
export function tiles(count: number, canvas: Size): Tile[] {
  let best = { columns: 1, side: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const lines = Math.ceil(count / columns);
    const side = Math.min(canvas.width / columns, canvas.height / lines);
    // A full last line wins over an equally large arrangement with holes.
    if (side > best.side + 1) best = { columns, side };
  }
  const lines = Math.ceil(count / best.columns);
  const width = Math.max(1, Math.floor((canvas.width - GAP * (best.columns - 1)) / best.columns));
  const height = Math.max(1, Math.floor((canvas.height - GAP * (lines - 1)) / lines));
  return Array.from({ length: count }, (_, index) => ({
    left: (index % best.columns) * (width + GAP),
    top: Math.floor(index / best.columns) * (height + GAP),
    width,
    height,
  }));
}
