/** Draws on a 2D canvas. Ten times faster than WebGL where WebGL is only emulated. */
import { type Frame, type Size, viewKey } from "./frame";
import type { Drawing, Renderer } from "./renderer";
import { OUTSIDE, resample } from "./resample";

interface Kept {
  frame: Frame;
  key: string;
  values: Float32Array;
  image: ImageData;
}

export class CanvasRenderer implements Renderer {
  readonly kind = "canvas";
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
    const { values, image } = this.valuesOf(frame, view, tile, index);
    const grey = new Uint32Array(image.data.buffer);
    const low = window.centre - window.width / 2;
    let gain = 255 / window.width;
    let base = 0.5 - low * gain;
    if (window.invert) {
      gain = -gain;
      base = 256 - base;
    }
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value === OUTSIDE) {
        grey[i] = 0xff000000;
        continue;
      }
      const shade = value * gain + base;
      const level = shade <= 0 ? 0 : shade >= 255 ? 255 : shade | 0;
      grey[i] = 0xff000000 | (level * 0x010101);
    }
    this.context.putImageData(image, tile.left, tile.top);
  }

  private valuesOf(frame: Frame, view: Drawing["view"], tile: Size, index: number): Kept {
    const key = viewKey(view, tile);
    const before = this.kept[index];
    if (before?.frame === frame && before.key === key) return before;
    const sameSize =
      before && before.image.width === tile.width && before.image.height === tile.height;
    const image = sameSize ? before.image : this.context.createImageData(tile.width, tile.height);
    const ready = frame.ahead?.key === key ? frame.ahead.values : undefined;
    const values = ready ?? resample(frame, view, tile);
    const kept = { frame, key, values, image };
    this.kept[index] = kept;
    return kept;
  }

  warm(): void {}

  forget(frame: Frame): void {
    this.kept = this.kept.map((kept) => (kept?.frame === frame ? undefined : kept));
  }
}
