/** The viewer: one canvas, one or more tiles. Another viewer could stand behind ``ImageViewer``. */
import { Camera, type Zoom } from "./camera";
import { derive, PLAIN, type Treatment } from "./derive";
import { fit, type Frame, type Size, type View, type Window } from "./frame";
import { type Tile, tiles } from "./layout";
import { Loader } from "./loader";
import { maskFrame, type Shade } from "./mask";
import type { Drawing, Renderer } from "./renderer";
import { Surface, type Wanted } from "./surface";
import { bounded, initial } from "./windowing";

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
  hide(shade: Shade): void;
  onChange(listener: (change: string) => void): void;
  destroy(): void;
}

export class Viewer implements ImageViewer {
  readonly loader: Loader;
  private surface: Surface;
  private camera = new Camera();
  private frames: Frame[] = [];
  private sources: Frame[] = [];
  private urls: string[] = [];
  private painted: string[] = [];
  private places: Tile[] = [];
  private count = 1;
  private listeners: ((change: string) => void)[] = [];
  private pending = 0;
  private turn = 0;
  private shade: Shade = "blank";
  window: Window = { centre: 2048, width: 4096, invert: false };
  treatment: Treatment = PLAIN;
  tileElements: HTMLElement[] = [];

  constructor(
    readonly host: HTMLElement,
    wanted: Wanted = "auto",
  ) {
    this.surface = new Surface(host, wanted, {
      resized: () => this.resized(),
      lost: () => {
        this.painted = [];
        this.emit("lost");
      },
      restored: () => this.repaint(),
    });
    this.loader = new Loader(
      () => (this.renderer.preparesAhead ? this.placesFor(this.count)[0] : undefined),
      (frame) => this.warm([frame]),
      (frame) => {
        this.renderer.forget(frame);
        const treated = this.sources.indexOf(frame);
        if (treated >= 0 && this.frames[treated]) this.renderer.forget(this.frames[treated]!);
      },
    );
    this.surface.fit();
  }

  get canvas(): HTMLCanvasElement {
    return this.surface.canvas;
  }

  get renderer(): Renderer {
    return this.surface.renderer;
  }

  get kind(): Renderer["kind"] {
    return this.renderer.kind;
  }

  /** Whether the drawing context is lost just now. */
  get lost(): boolean {
    return !this.renderer.usable();
  }

  get zoom(): Zoom {
    return this.camera.zoom;
  }

  get centre(): { x: number; y: number } {
    return this.camera.centre;
  }

  private repaint(): void {
    if (!this.frames.length) {
      // Nothing but a mask was lost.
      this.blank(this.shade);
      this.emit("remasked");
      return;
    }
    this.drawNow();
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
    this.camera.whole();
    this.window = initial(frames[0]!);
    this.arrange();
    this.surface.overlay.hidden = false;
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
      requestAnimationFrame((refresh) => afterThisFrame(() => {
        const good = turn === this.turn && this.surface.usable && this.frames.length > 0;
        if (good) this.painted = [...this.urls];
        resolve(good ? { at: performance.now(), refresh, urls: [...this.urls] } : null);
      }));
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
  hide(shade: Shade): void {
    this.turn++;
    this.painted = [];
    this.frames = [];
    this.sources = [];
    this.urls = [];
    this.blank(shade);
  }

  private blank(shade: Shade = "blank"): void {
    this.shade = shade;
    this.surface.overlay.hidden = true;
    if (shade === "blank") {
      this.frames = [];
      this.drawNow();
      return;
    }
    const mask = maskFrame(shade);
    this.arrange();
    const window = { centre: 127.5, width: 255, invert: false };
    this.drawNow(
      this.places.map((tile) => ({ frame: mask, tile, view: fit(sizeOf(mask), tile), window })),
    );
    this.renderer.forget(mask);
  }

  // -- Drawing --------------------------------------------------------------------------------------

  viewOf(index: number): View {
    return this.camera.view(sizeOf(this.frames[index]!), this.places[index]!);
  }

  private drawings(): Drawing[] {
    const { window } = this;
    return this.frames.map((frame, i) => ({ frame, tile: this.places[i]!, view: this.viewOf(i), window }));
  }

  /** Draws, unless the drawing context is lost: then the view is drawn when it is back. */
  private drawNow(drawings = this.drawings()): void {
    cancelAnimationFrame(this.pending);
    this.pending = 0;
    try {
      this.surface.draw(drawings);
    } catch (error) {
      if (this.renderer.usable()) throw error;
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

  /** The room around the image has changed. */
  fitCanvas(): void {
    this.surface.fit();
  }

  private resized(): void {
    this.arrange();
    // A resized canvas is empty: draw at once, or a blank image would be on screen for a moment.
    if (this.frames.length) this.drawNow();
    else this.blank(this.shade);
    this.emit("resize");
    this.warm(this.loader.held());
  }

  /** Readies frames for being shown, when there is nothing else to do. */
  private warm(frames: Frame[]): void {
    for (const frame of frames) {
      this.whenIdle(() => {
        const [tile] = this.placesFor(this.count);
        if (this.loader.held().includes(frame)) this.renderer.warm(frame, tile!);
      });
    }
  }

  private placesFor(count: number): Tile[] {
    return tiles(count, this.surface.size);
  }

  private arrange(): void {
    this.places = this.placesFor(this.count);
    while (this.tileElements.length < this.count) {
      const element = document.createElement("div");
      element.className = "tile";
      this.tileElements.push(element);
      this.surface.overlay.append(element);
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
    this.camera.whole();
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
    const ratio = devicePixelRatio;
    this.camera.zoomAbout(zoom, sizeOf(this.frames[index]!), this.places[index]!, at && at.x * ratio, at && at.y * ratio);
    this.invalidate("zoom");
  }

  zoomBy(factor: number, at?: { x: number; y: number }, index = 0): void {
    if (this.frames.length) this.zoomAbout(this.viewOf(index).scale * factor, at, index);
  }

  /** Moves the image by CSS pixels. */
  pan(dx: number, dy: number): void {
    if (!this.frames.length) return;
    const ratio = devicePixelRatio;
    this.camera.pan(dx * ratio, dy * ratio, sizeOf(this.frames[0]!), this.places[0]!);
    this.invalidate("pan");
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
    this.loader.stop();
    this.surface.destroy();
  }
}

/** Runs once the frame that is being made has been handed to the screen; before other work. */
function afterThisFrame(deed: () => void): void {
  const { scheduler } = globalThis as { scheduler?: { postTask?(deed: () => void, how: object): Promise<unknown> } };
  if (scheduler?.postTask) {
    void scheduler.postTask(deed, { priority: "user-blocking" });
    return;
  }
  // A message sent within a frame arrives after that frame was painted.
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    channel.port1.close();
    deed();
  };
  channel.port2.postMessage(0);
}

function sizeOf(frame: Frame): Size {
  return { width: frame.columns, height: frame.rows };
}
