/** What the reader did with the image, in a few numbers. */
import type { Viewer } from "./viewer/viewer";

/** The image is noted in GRID x GRID parts. */
const GRID = 4;

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
  /** Cells of the grid over the image that were seen enlarged. */
  private enlarged = new Set<number>();

  constructor(private viewer: Viewer) {
    viewer.onChange((change) => this.seen(change));
  }

  start(): void {
    this.zooms = this.pans = this.windows = this.most = this.least = this.widest = 0;
    this.low = this.narrowest = Infinity;
    this.high = -Infinity;
    this.inverted = false;
    this.regions.clear();
    this.enlarged.clear();
  }

  visited(id: string): void {
    this.regions.add(id);
  }

  private seen(change: string): void {
    if (change === "zoom" || change === "pan") this.look();
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

  /** Notes the parts of the image that are in sight while it is larger than the screen. */
  private look(): void {
    const { viewer } = this;
    const [frame] = viewer.current();
    if (!frame || viewer.zoom === "fit") return;
    const { scale, x, y } = viewer.viewOf(0);
    const tile = viewer.tileSize(0);
    const [width, height] = [tile.width * devicePixelRatio, tile.height * devicePixelRatio];
    if (frame.columns * scale <= width && frame.rows * scale <= height) return;
    for (let cell = 0; cell < GRID * GRID; cell++) {
      const across = x + (((cell % GRID) + 0.5) / GRID) * frame.columns * scale;
      const down = y + ((Math.floor(cell / GRID) + 0.5) / GRID) * frame.rows * scale;
      if (across >= 0 && across < width && down >= 0 && down < height) this.enlarged.add(cell);
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
      enlarged: Array.from({ length: GRID * GRID }, (_, cell) => (this.enlarged.has(cell) ? "1" : "0")).join(""),
      treatment: this.viewer.treatment,
    };
  }
}
