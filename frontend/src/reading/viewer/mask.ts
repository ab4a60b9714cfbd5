/** What stands in the image's place while there is none. */
import type { Frame } from "./frame";

export type Shade = "blank" | "grey" | "noise";

const SIDE = 512;

/** A plain or a noisy grey square, to be seen through a window of 0 to 255. */
export function maskFrame(shade: "grey" | "noise"): Frame {
  const pixels = new Uint16Array(SIDE * SIDE).fill(64);
  if (shade === "noise") {
    // Blocks of 4: noise at the finest grain would fade out of sight, coarse noise masks.
    for (let y = 0; y < SIDE; y += 4) {
      for (let x = 0; x < SIDE; x += 4) {
        const value = Math.random() * 200;
        for (let i = 0; i < 16; i++) pixels[(y + (i >> 2)) * SIDE + x + (i & 3)] = value;
      }
    }
  }
  return { columns: SIDE, rows: SIDE, bits: 8, pixels, quantiles: [0, 0, 0, 255, 255, 255] };
}
