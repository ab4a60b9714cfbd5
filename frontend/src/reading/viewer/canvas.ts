/** Draws on a 2D canvas. Ten times faster than WebGL where WebGL is only emulated. */
import { type Frame, type Size, viewKey, type Window } from "./frame";
import { prepare, sameWindow, shade } from "./prepare";
import type { Drawing, Renderer } from "./renderer";
import { resample } from "./resample";

interface Kept {
  frame: Frame;
  key: string;
  values: Float32Array;
  image: ImageData;
  /** The window that ``image`` shows; none while nothing was shaded yet. */
  shown: Window | null;
}

export class CanvasRenderer implements Renderer {
  readonly kind = "canvas";
  readonly preparesAhead = true;
  private context: CanvasRenderingContext2D;
  // What each tile showed last: a change of window needs no new resampling.
  private kept: (Kept | undefined)[] = [];
  private lost = false;

  constructor(private canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("this browser cannot draw images");
    this.context = context;
    canvas.addEventListener("contextlost", () => (this.lost = true));
    canvas.addEventListener("contextrestored", () => (this.lost = false));
  }

  usable(): boolean {
    return !this.lost;
  }

  draw(drawings: Drawing[]): void {
    const covered = drawings.length === 1 && drawings[0]!.tile.width >= this.canvas.width;
    if (!covered) {
      this.context.fillStyle = "#000";
      this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    }
    drawings.forEach((drawing, index) => this.drawOne(drawing, index));
    this.kept.length = drawings.length;
  }

  private drawOne({ frame, tile, view, window }: Drawing, index: number): void {
    const kept = this.keptFor(frame, view, tile, index);
    if (!kept.shown || !sameWindow(kept.shown, window)) {
      shade(kept.values, window, new Uint32Array(kept.image.data.buffer));
      kept.shown = { ...window };
    }
    this.context.putImageData(kept.image, tile.left, tile.top);
  }

  private keptFor(frame: Frame, view: Drawing["view"], tile: Size, index: number): Kept {
    const key = viewKey(view, tile);
    const before = this.kept[index];
    if (before?.frame === frame && before.key === key) return before;
    const kept = this.ready(frame, key, tile) ?? this.made(frame, view, tile, before);
    this.kept[index] = kept;
    return kept;
  }

  /** What was prepared for just this view: taken as it is, so that showing it costs nothing. */
  private ready(frame: Frame, key: string, tile: Size): Kept | null {
    const { ahead } = frame;
    if (ahead?.key !== key) return null;
    // Its greys are drawn over as soon as the window is changed: they are good for one time.
    frame.ahead = undefined;
    const image = new ImageData(ahead.grey, tile.width, tile.height);
    return { frame, key, values: ahead.values, image, shown: ahead.window };
  }

  private made(frame: Frame, view: Drawing["view"], tile: Size, before?: Kept): Kept {
    const same = before && before.image.width === tile.width && before.image.height === tile.height;
    const image = same ? before.image : this.context.createImageData(tile.width, tile.height);
    const values = resample(frame, view, tile);
    return { frame, key: viewKey(view, tile), values, image, shown: null };
  }

  /** Decoded for a tile of another size, a frame is prepared anew before it is asked for. */
  warm(frame: Frame, tile: Size): void {
    if (frame.ahead?.tile.width === tile.width && frame.ahead.tile.height === tile.height) return;
    if (this.kept.some((kept) => kept?.frame === frame)) return;
    frame.ahead = prepare(frame, tile) ?? undefined;
  }

  forget(frame: Frame): void {
    this.kept = this.kept.map((kept) => (kept?.frame === frame ? undefined : kept));
  }
}
