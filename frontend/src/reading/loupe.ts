/** The magnifying glass: a round piece of the image at 2:1 or more, under the pointer. */
import { h } from "./dom";
import type { Frame, View } from "./viewer/frame";
import { CanvasRenderer } from "./viewer/canvas";
import type { Viewer } from "./viewer/viewer";

const CSS_SIZE = 240;
const TIMES = 2;

export class Loupe {
  readonly element: HTMLElement;
  private canvas = h("canvas");
  private renderer = new CanvasRenderer(this.canvas);
  private at: { x: number; y: number } | null = null;
  private pending = 0;
  on = false;
  /** Whoever shows whether it is on. */
  toggled: () => void = () => undefined;

  constructor(
    private viewer: Viewer,
    private stage: HTMLElement,
  ) {
    this.element = h("div", { class: "loupe", hidden: true, "aria-hidden": "true" }, this.canvas);
    viewer.host.append(this.element);
    viewer.onChange(() => this.on && this.ask());
  }

  set(on: boolean): void {
    this.on = on;
    this.element.hidden = !on;
    this.toggled();
    if (on && !this.at) {
      const bounds = this.stage.getBoundingClientRect();
      this.at = { x: bounds.left + bounds.width / 2, y: bounds.top + bounds.height / 2 };
    }
    if (on) this.ask();
  }

  move(clientX: number, clientY: number): void {
    this.at = { x: clientX, y: clientY };
    if (this.on) this.ask();
  }

  private ask(): void {
    this.pending ||= requestAnimationFrame(() => {
      this.pending = 0;
      this.draw();
    });
  }

  private draw(): void {
    if (!this.on || !this.at) return;
    const { index, x, y } = this.viewer.tileAt(this.at.x, this.at.y);
    const frame: Frame | undefined = this.viewer.current()[index];
    if (!frame) {
      this.renderer.draw([]);
      return;
    }
    // On whole device pixels, as the image itself.
    const bounds = this.viewer.host.getBoundingClientRect();
    const snapped = (value: number): number => Math.round(value * devicePixelRatio) / devicePixelRatio;
    this.element.style.left = `${snapped(this.at.x - CSS_SIZE / 2) - bounds.left}px`;
    this.element.style.top = `${snapped(this.at.y - CSS_SIZE / 2) - bounds.top}px`;
    const side = Math.round(CSS_SIZE * devicePixelRatio);
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    const view = this.viewer.viewOf(index);
    const scale = Math.max(1, view.scale) * TIMES;
    const u = (x * devicePixelRatio - view.x) / view.scale;
    const v = (y * devicePixelRatio - view.y) / view.scale;
    const own: View = { scale, x: Math.round(side / 2 - u * scale), y: Math.round(side / 2 - v * scale) };
    const tile = { left: 0, top: 0, width: side, height: side };
    this.renderer.draw([{ frame, tile, view: own, window: this.viewer.window }]);
  }
}
