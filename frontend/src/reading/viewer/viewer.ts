/** The viewer: one canvas, one or more tiles. Another viewer could stand behind ``ImageViewer``. */
import { CanvasRenderer } from "./canvas";
import { derive, PLAIN, type Treatment } from "./derive";
import { centred, fit, type Frame, type Size, type View, type Window } from "./frame";
import { type Tile, tiles } from "./layout";
import { Loader } from "./loader";
import type { Renderer } from "./renderer";
import { hasGraphicsCard, WebglRenderer } from "./webgl";
import { bounded, initial } from "./windowing";

export type Zoom = "fit" | number;

export interface Painted {
  /** performance.now() after the frame that carried the image was handed to the screen. */
  at: number;
  /** The time of the screen refresh that carried it, on the clock of requestAnimationFrame. */
  refresh: number;
  urls: string[];
}

export interface ViewState {
  /** Device pixels an image pixel. */
  scale: number;
  zoom: Zoom;
  window: Window;
  treatment: Treatment;
}

export interface ImageViewer {
  show(urls: string[]): Promise<Painted>;
  prefetch(urls: string[]): void;
  /** What is on screen now: nothing while loading, masked or lost. */
  shown(): readonly string[];
  hide(shade: "blank" | "grey" | "noise"): void;
  onChange(listener: (change: string) => void): void;
  destroy(): void;
}

const MOST_SCALE = 16;

export class Viewer implements ImageViewer {
  canvas = document.createElement("canvas");
  readonly overlay = document.createElement("div");
  readonly loader: Loader;
  private renderer!: Renderer;
  private frames: Frame[] = [];
  private sources: Frame[] = [];
  private urls: string[] = [];
  private painted: string[] = [];
  private places: Tile[] = [];
  private count = 1;
  private listeners: ((change: string) => void)[] = [];
  private pending = 0;
  private observer: ResizeObserver;
  private turn = 0;
  /** What stands in the image's place while there is none. */
  private shade: "blank" | "grey" | "noise" = "blank";
  zoom: Zoom = "fit";
  /** The image point at each tile's centre, as shares of its width and height. */
  centre = { x: 0.5, y: 0.5 };
  window: Window = { centre: 2048, width: 4096, invert: false };
  treatment: Treatment = PLAIN;
  tileElements: HTMLElement[] = [];

  constructor(
    readonly host: HTMLElement,
    private wanted: "auto" | "webgl2" | "canvas" = "auto",
  ) {
    host.classList.add("viewer");
    this.canvas.setAttribute("aria-hidden", "true");
    this.overlay.className = "overlay";
    host.append(this.canvas, this.overlay);
    this.start();
    this.loader = new Loader(
      () => this.placesFor(this.count)[0],
      (frame) => this.whenIdle(() => this.renderer.warm(frame)),
      (frame) => {
        this.renderer.forget(frame);
        const treated = this.sources.indexOf(frame);
        if (treated >= 0 && this.frames[treated]) this.renderer.forget(this.frames[treated]!);
      },
    );
    this.observer = new ResizeObserver(() => this.fitCanvas());
    this.observer.observe(host);
    this.fitCanvas();
    this.watchRatio();
  }

  /** Moved to another screen, the page may keep its size in CSS pixels: no observer tells. */
  private watchRatio(): void {
    const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    query.addEventListener("change", () => {
      this.fitCanvas();
      this.watchRatio();
    }, { once: true });
  }

  private start(): void {
    if (this.wanted === "webgl2" || (this.wanted === "auto" && hasGraphicsCard())) {
      try {
        this.renderer = new WebglRenderer(this.canvas, () => this.repaint());
        this.canvas.addEventListener("webglcontextlost", () => this.lost());
        return;
      } catch {
        // No WebGL2 after all.
        this.replaceCanvas();
      }
    }
    this.onCanvas();
  }

  private onCanvas(): void {
    this.renderer = new CanvasRenderer(this.canvas);
    this.canvas.addEventListener("contextlost", () => this.lost());
    this.canvas.addEventListener("contextrestored", () => this.repaint());
  }

  /** A canvas keeps its first kind of context, so another kind needs another canvas. */
  private replaceCanvas(): void {
    const fresh = document.createElement("canvas");
    fresh.setAttribute("aria-hidden", "true");
    fresh.width = this.canvas.width;
    fresh.height = this.canvas.height;
    fresh.style.cssText = this.canvas.style.cssText;
    this.canvas.replaceWith(fresh);
    this.canvas = fresh;
  }

  get kind(): Renderer["kind"] {
    return this.renderer.kind;
  }

  private lost(): void {
    this.painted = [];
    this.emit("lost");
  }

  private repaint(): void {
    if (!this.frames.length) {
      // Nothing but a mask was lost.
      this.blank(this.shade);
      this.emit("remasked");
      return;
    }
    try {
      this.drawNow();
    } catch {
      return;
    }
    void this.confirm(this.turn).then((painted) => painted && this.emit("repainted"));
  }

  // -- Showing --------------------------------------------------------------------------------------

  /** Loads and shows these images side by side. Resolves once they are on the screen. */
  async show(urls: string[]): Promise<Painted> {
    const turn = ++this.turn;
    this.painted = [];
    this.count = urls.length;
    this.loader.setMost(Math.max(8, 4 * urls.length));
    const ready = urls.map((url) => this.loader.now(url));
    let frames: Frame[];
    if (ready.every((frame) => frame)) frames = ready as Frame[];
    else {
      this.blank();
      frames = await Promise.all(urls.map((url) => this.loader.load(url)));
    }
    if (turn !== this.turn) throw new Error("another case was asked for");
    this.urls = [...urls];
    this.sources = frames;
    this.frames = frames;
    this.treatment = PLAIN;
    this.zoom = "fit";
    this.centre = { x: 0.5, y: 0.5 };
    this.window = initial(frames[0]!);
    this.arrange();
    this.overlay.hidden = false;
    this.drawNow();
    this.emit("show");
    const painted = await this.confirm(turn);
    if (!painted) {
      throw new Error(turn === this.turn ? "the image could not be drawn" : "another case was asked for");
    }
    return painted;
  }

  /** After the browser has presented what was drawn: null when it is no longer what is wanted. */
  private confirm(turn: number): Promise<Painted | null> {
    return new Promise((resolve) => {
      requestAnimationFrame((refresh) => {
        // A message sent within a frame arrives after that frame was painted.
        const channel = new MessageChannel();
        channel.port1.onmessage = () => {
          channel.port1.close();
          const good =
            turn === this.turn && this.renderer.usable() && this.canvas.isConnected &&
            this.canvas.width > 1 && this.frames.length > 0;
          if (good) this.painted = [...this.urls];
          resolve(good ? { at: performance.now(), refresh, urls: [...this.urls] } : null);
        };
        channel.port2.postMessage(0);
      });
    });
  }

  prefetch(urls: string[]): void {
    for (const url of urls) this.loader.load(url, false).catch(() => undefined);
  }

  shown(): readonly string[] {
    return this.painted;
  }

  current(): readonly Frame[] {
    return this.frames;
  }

  /** Takes the image away, and puts a mask in its place. */
  hide(shade: "blank" | "grey" | "noise"): void {
    this.turn++;
    this.painted = [];
    this.frames = [];
    this.sources = [];
    this.urls = [];
    this.blank(shade);
  }

  private blank(shade: "blank" | "grey" | "noise" = "blank"): void {
    this.shade = shade;
    this.overlay.hidden = true;
    if (shade === "blank") {
      this.frames = [];
      this.renderer.draw([]);
      return;
    }
    const mask = maskFrame(shade);
    this.arrange();
    const window = { centre: 127.5, width: 255, invert: false };
    this.renderer.draw(
      this.places.map((tile) => ({ frame: mask, tile, view: fit(sizeOf(mask), tile), window })),
    );
    this.renderer.forget(mask);
  }

  // -- Drawing --------------------------------------------------------------------------------------

  viewOf(index: number): View {
    const frame = this.frames[index]!;
    const tile = this.places[index]!;
    const image = sizeOf(frame);
    if (this.zoom === "fit") return fit(image, tile);
    const view = centred(image, tile, this.zoom);
    view.x = Math.round(tile.width / 2 - this.centre.x * image.width * this.zoom);
    view.y = Math.round(tile.height / 2 - this.centre.y * image.height * this.zoom);
    return view;
  }

  private drawNow(): void {
    cancelAnimationFrame(this.pending);
    this.pending = 0;
    const drawings = this.frames.map((frame, index) => ({
      frame,
      tile: this.places[index]!,
      view: this.viewOf(index),
      window: this.window,
    }));
    try {
      this.renderer.draw(drawings);
    } catch (error) {
      if (this.renderer.kind === "canvas" || !this.renderer.usable()) throw error;
      // A frame that the graphics card cannot hold: the processor draws it, and all that follow.
      this.replaceCanvas();
      this.onCanvas();
      this.renderer.draw(drawings);
    }
  }

  /** Draws before the next screen refresh, however often it is asked for until then. */
  invalidate(change: string): void {
    if (!this.frames.length) return;
    this.pending ||= requestAnimationFrame(() => {
      this.pending = 0;
      if (this.frames.length) this.drawNow();
    });
    this.emit(change);
  }

  /**
   * Gives the canvas whole device pixels, and lays it onto them: a box whose edges lie between two
   * would be stretched by the browser, and no image would be exact at 1:1 any more.
   */
  fitCanvas(): void {
    const ratio = devicePixelRatio;
    const bounds = this.host.getBoundingClientRect();
    const step = wholeStep(ratio);
    const whole = (start: number, end: number): [number, number] => {
      const from = Math.ceil((start * ratio) / step - 0.01) * step;
      return [from, Math.floor((end * ratio) / step + 0.01) * step - from];
    };
    const [left, width] = whole(bounds.left, bounds.right);
    const [top, height] = whole(bounds.top, bounds.bottom);
    for (const { style } of [this.canvas, this.overlay]) {
      style.left = `${left / ratio - bounds.left}px`;
      style.top = `${top / ratio - bounds.top}px`;
      style.width = `${width / ratio}px`;
      style.height = `${height / ratio}px`;
    }
    if (width <= 0 || height <= 0 || (width === this.canvas.width && height === this.canvas.height)) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.arrange();
    // A resized canvas is empty: draw at once, or a blank image would be on screen for a moment.
    try {
      if (this.frames.length) this.drawNow();
      else this.blank(this.shade);
    } catch {
      // The context was lost meanwhile: drawn when it is back.
    }
    this.emit("resize");
  }

  private placesFor(count: number): Tile[] {
    return tiles(count, { width: this.canvas.width, height: this.canvas.height });
  }

  private arrange(): void {
    this.places = this.placesFor(this.count);
    while (this.tileElements.length < this.count) {
      const element = document.createElement("div");
      element.className = "tile";
      this.tileElements.push(element);
      this.overlay.append(element);
    }
    this.tileElements.splice(this.count).forEach((element) => element.remove());
    this.tileElements.forEach((element, index) => {
      const { left, top, width, height } = this.places[index]!;
      element.dataset.number = this.count > 1 ? String(index + 1) : "";
      element.style.left = `${left / devicePixelRatio}px`;
      element.style.top = `${top / devicePixelRatio}px`;
      element.style.width = `${width / devicePixelRatio}px`;
      element.style.height = `${height / devicePixelRatio}px`;
    });
  }

  private whenIdle(deed: () => void): void {
    if ("requestIdleCallback" in window) requestIdleCallback(deed, { timeout: 500 });
    else setTimeout(deed, 50);
  }

  // -- Looking --------------------------------------------------------------------------------------

  get bits(): number {
    return this.frames[0]?.bits ?? 12;
  }

  state(): ViewState {
    const scale = this.frames.length ? this.viewOf(0).scale : 1;
    return { scale, zoom: this.zoom, window: { ...this.window }, treatment: this.treatment };
  }

  setWindow(window: Partial<Window>): void {
    this.window = bounded({ ...this.window, ...window }, this.bits);
    this.invalidate("window");
  }

  resetView(): void {
    if (!this.frames.length) return;
    this.zoom = "fit";
    this.centre = { x: 0.5, y: 0.5 };
    this.window = initial(this.frames[0]!);
    this.treat(PLAIN);
    this.invalidate("zoom");
    this.emit("window");
  }

  setZoom(zoom: Zoom): void {
    this.zoomAbout(zoom);
  }

  /** Zooms so that the image point under ``at`` (CSS px in tile ``index``) stays where it is. */
  zoomAbout(zoom: Zoom, at?: { x: number; y: number }, index = 0): void {
    if (!this.frames.length) return;
    if (zoom === "fit") {
      this.zoom = "fit";
      this.centre = { x: 0.5, y: 0.5 };
    } else {
      const image = sizeOf(this.frames[index]!);
      const tile = this.places[index]!;
      const before = this.viewOf(index);
      const least = Math.min(1, fit(image, tile).scale / 2);
      const scale = Math.min(MOST_SCALE, Math.max(least, zoom));
      const x = (at?.x ?? tile.width / devicePixelRatio / 2) * devicePixelRatio;
      const y = (at?.y ?? tile.height / devicePixelRatio / 2) * devicePixelRatio;
      const u = (x - before.x) / before.scale;
      const v = (y - before.y) / before.scale;
      this.zoom = scale;
      this.centre = {
        x: (u + (tile.width / 2 - x) / scale) / image.width,
        y: (v + (tile.height / 2 - y) / scale) / image.height,
      };
      this.keepInSight();
    }
    this.invalidate("zoom");
  }

  zoomBy(factor: number, at?: { x: number; y: number }, index = 0): void {
    if (this.frames.length) this.zoomAbout(this.viewOf(index).scale * factor, at, index);
  }

  /** Moves the image by CSS pixels. */
  pan(dx: number, dy: number): void {
    if (!this.frames.length) return;
    const view = this.viewOf(0);
    const image = sizeOf(this.frames[0]!);
    if (this.zoom === "fit") this.zoom = view.scale;
    this.centre.x -= (dx * devicePixelRatio) / view.scale / image.width;
    this.centre.y -= (dy * devicePixelRatio) / view.scale / image.height;
    this.keepInSight();
    this.invalidate("pan");
  }

  private keepInSight(): void {
    this.centre.x = Math.min(1, Math.max(0, this.centre.x));
    this.centre.y = Math.min(1, Math.max(0, this.centre.y));
  }

  /** Rotation, mirroring and edge filter: pixels are rearranged, so everything else stays simple. */
  treat(treatment: Treatment): void {
    if (!this.sources.length) return;
    const changed = JSON.stringify(treatment) !== JSON.stringify(this.treatment);
    if (!changed) return;
    this.frames.forEach((frame, i) => frame !== this.sources[i] && this.renderer.forget(frame));
    this.treatment = treatment;
    this.frames = this.sources.map((frame) => derive(frame, treatment));
    this.invalidate("treatment");
  }

  // -- Places ---------------------------------------------------------------------------------------

  /** Tile under a point of the page, and the point in that tile in CSS px. */
  tileAt(clientX: number, clientY: number): { index: number; x: number; y: number } {
    const bounds = this.canvas.getBoundingClientRect();
    const x = clientX - bounds.left;
    const y = clientY - bounds.top;
    let index = this.places.findIndex((tile) => {
      const ratio = devicePixelRatio;
      return (
        x * ratio >= tile.left && x * ratio < tile.left + tile.width &&
        y * ratio >= tile.top && y * ratio < tile.top + tile.height
      );
    });
    index = Math.max(0, index);
    const tile = this.places[index]!;
    return { index, x: x - tile.left / devicePixelRatio, y: y - tile.top / devicePixelRatio };
  }

  tileSize(index: number): Size {
    const { width, height } = this.places[index] ?? { width: 1, height: 1 };
    return { width: width / devicePixelRatio, height: height / devicePixelRatio };
  }

  onChange(listener: (change: string) => void): void {
    this.listeners.push(listener);
  }

  private emit(change: string): void {
    for (const listener of this.listeners) listener(change);
  }

  destroy(): void {
    this.observer.disconnect();
    this.loader.stop();
    this.canvas.remove();
    this.overlay.remove();
  }
}

/**
 * Device pixels after which a whole number of CSS pixels ends, too (5 at a ratio of 1.25): browsers
 * round the edges in between. 1 where there is no such number of a bearable size.
 */
function wholeStep(ratio: number): number {
  for (let css = 1; css <= 20; css++) {
    const device = css * ratio;
    if (Math.abs(device - Math.round(device)) < 1e-6) return Math.round(device);
  }
  return 1;
}

function sizeOf(frame: Frame): Size {
  return { width: frame.columns, height: frame.rows };
}

/** A plain or a noisy grey square, for the time between two scans. */
function maskFrame(shade: "grey" | "noise"): Frame {
  const side = 512;
  const pixels = new Uint16Array(side * side).fill(64);
  if (shade === "noise") {
    // Blocks of 4: noise at the finest grain would fade out of sight, coarse noise masks.
    for (let y = 0; y < side; y += 4) {
      for (let x = 0; x < side; x += 4) {
        const value = Math.random() * 200;
        for (let i = 0; i < 16; i++) pixels[(y + (i >> 2)) * side + x + (i & 3)] = value;
      }
    }
  }
  return { columns: side, rows: side, bits: 8, pixels, quantiles: [0, 0, 0, 255, 255, 255] };
}
