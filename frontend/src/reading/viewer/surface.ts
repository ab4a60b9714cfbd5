/** The canvas: laid onto whole device pixels, and drawn on by whatever this machine does best. */
import { CanvasRenderer } from "./canvas";
import type { Size } from "./frame";
import type { Drawing, Renderer } from "./renderer";
import { hasGraphicsCard, WebglRenderer } from "./webgl";

export type Wanted = "auto" | "webgl2" | "canvas";

interface SurfaceEvents {
  /** The canvas has another size now, and is empty. */
  resized(): void;
  lost(): void;
  restored(): void;
}

export class Surface {
  canvas = document.createElement("canvas");
  /** Over the canvas, pixel by pixel. */
  readonly overlay = document.createElement("div");
  renderer!: Renderer;
  private observer: ResizeObserver;

  constructor(
    private host: HTMLElement,
    private wanted: Wanted,
    private events: SurfaceEvents,
  ) {
    host.classList.add("viewer");
    this.canvas.setAttribute("aria-hidden", "true");
    this.overlay.className = "overlay";
    host.append(this.canvas, this.overlay);
    this.start();
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(host);
    this.watchRatio();
  }

  /** Moved to another screen, the page may keep its size in CSS pixels: no observer tells. */
  private watchRatio(): void {
    const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    query.addEventListener("change", () => {
      this.fit();
      this.watchRatio();
    }, { once: true });
  }

  private start(): void {
    if (this.wanted === "webgl2" || (this.wanted === "auto" && hasGraphicsCard())) {
      try {
        this.renderer = new WebglRenderer(this.canvas, () => this.events.restored());
        this.canvas.addEventListener("webglcontextlost", () => this.events.lost());
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
    this.canvas.addEventListener("contextlost", () => this.events.lost());
    this.canvas.addEventListener("contextrestored", () => this.events.restored());
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

  get size(): Size {
    return { width: this.canvas.width, height: this.canvas.height };
  }

  /** Whether what is drawn reaches the page. */
  get usable(): boolean {
    return this.renderer.usable() && this.canvas.isConnected && this.canvas.width > 1;
  }

  draw(drawings: Drawing[]): void {
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

  /**
   * Gives the canvas whole device pixels, and lays it onto them: a box whose edges lie between two
   * would be stretched by the browser, and no image would be exact at 1:1 any more.
   */
  fit(): void {
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
    this.events.resized();
  }

  destroy(): void {
    this.observer.disconnect();
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
