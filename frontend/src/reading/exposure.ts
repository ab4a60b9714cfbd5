/** A timed showing: whole screen refreshes, counted and measured. */
import type { Viewer } from "./viewer/viewer";

/**
 * Masks the shown image after ``ms``, at the screen refresh nearest to it. Resolves with the time
 * from the refresh that brought the image to the one that brought the mask.
 */
export function expose(
  viewer: Viewer,
  ms: number,
  mask: "grey" | "noise",
): Promise<{ ms: number; frames: number }> {
  return new Promise((resolve) => {
    let first = 0;
    let last = 0;
    let frames = 0;
    const tick = (now: number): void => {
      if (!first) {
        first = last = now;
        requestAnimationFrame(tick);
        return;
      }
      const refresh = now - last;
      last = now;
      frames++;
      // Drawn now, the mask is seen at the next refresh: stop when that one is nearest to the end.
      const reached = now - first;
      if (reached + refresh / 2 < ms) {
        requestAnimationFrame(tick);
        return;
      }
      viewer.hide(mask);
      resolve({ ms: Math.round(reached * 10) / 10, frames });
    };
    requestAnimationFrame(tick);
  });
}
