/** What the reader did with the image, in a few numbers. */
import type { Viewer } from "./viewer/viewer";

export class Summary {
  private zooms = 0;
  private pans = 0;
  private windows = 0;
  private most = 0;
  private least = 0;
  private low = Infinity;
  private high = -Infinity;
  private narrowest = Infinity;
  private widest = 0;
  private inverted = false;
  private regions = new Set<string>();

  constructor(private viewer: Viewer) {
    viewer.onChange((change) => this.seen(change));
  }

  start(): void {
    this.zooms = this.pans = this.windows = this.most = this.least = this.widest = 0;
    this.low = this.narrowest = Infinity;
    this.high = -Infinity;
    this.inverted = false;
    this.regions.clear();
  }

  visited(id: string): void {
    this.regions.add(id);
  }

  private seen(change: string): void {
    if (change === "zoom") this.zooms++;
    if (change === "pan") this.pans++;
    if (change === "window") this.windows++;
    if (change === "zoom" || change === "show") {
      const { scale } = this.viewer.state();
      this.most = Math.max(this.most, scale);
      this.least = this.least ? Math.min(this.least, scale) : scale;
    }
    if (change === "window" || change === "show") {
      const { window } = this.viewer.state();
      this.low = Math.min(this.low, window.centre);
      this.high = Math.max(this.high, window.centre);
      this.narrowest = Math.min(this.narrowest, window.width);
      this.widest = Math.max(this.widest, window.width);
      this.inverted ||= window.invert;
    }
  }

  record(): Record<string, unknown> {
    const finite = (value: number): number | null =>
      Number.isFinite(value) ? Math.round(value * 100) / 100 : null;
    return {
      renderer: this.viewer.kind,
      device_pixel_ratio: devicePixelRatio,
      canvas: [this.viewer.canvas.width, this.viewer.canvas.height],
      scale: { least: finite(this.least), most: finite(this.most) },
      window: {
        centre: [finite(this.low), finite(this.high)],
        width: [finite(this.narrowest), finite(this.widest)],
      },
      inverted: this.inverted,
      actions: { zoom: this.zooms, pan: this.pans, window: this.windows },
      regions_visited: this.regions.size,
      treatment: this.viewer.treatment,
    };
  }
}
