/** A timed showing: whole screen refreshes, counted and measured. */
import type { Painted, Viewer } from "./viewer/viewer";

export interface Exposed {
  /** From the refresh that brought the image to the one that brought the mask. */
  ms: number;
  frames: number;
  /** Masked early because the page was hidden or the reader paused. */
  interrupted: boolean;
}

export interface Showing {
  done: Promise<Exposed>;
  /** Masks at once. */
  stop(): void;
}

const SLOWEST_REFRESH_MS = 20;

/** Masks the image that ``painted`` brought after ``ms``, at the screen refresh nearest to it. */
export function expose(viewer: Viewer, painted: Painted, ms: number, mask: "grey" | "noise"): Showing {
  let stop = (): void => undefined;
  const done = new Promise<Exposed>((resolve) => {
    const first = painted.refresh;
    let last = first;
    // The screen's own beat. A longer gap is a busy machine, which says nothing of the next one.
    let refresh = SLOWEST_REFRESH_MS;
    let frames = 0;
    let over = false;
    const end = (now: number, interrupted: boolean): void => {
      if (over) return;
      over = true;
      document.removeEventListener("visibilitychange", hidden);
      viewer.hide(mask);
      resolve({ ms: Math.round((now - first) * 10) / 10, frames, interrupted });
    };
    const tick = (now: number): void => {
      if (over) return;
      if (now > last) refresh = Math.min(refresh, now - last);
      last = now;
      frames++;
      // What is drawn in this tick is seen with this refresh: mask when it is the nearest to the end.
      if (now - first + refresh / 2 < ms) requestAnimationFrame(tick);
      else end(now, false);
    };
    // A hidden page is given no ticks: whoever comes back must not find the image still there.
    const hidden = (): void => {
      if (document.visibilityState === "hidden") stop();
    };
    stop = () => end(performance.now(), true);
    document.addEventListener("visibilitychange", hidden);
    requestAnimationFrame(tick);
  });
  return { done, stop };
}
