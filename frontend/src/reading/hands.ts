/** Mouse, pen and fingers on the image. */
import type { Regions } from "./regions/regions";
import { dragged } from "./viewer/windowing";
import type { Viewer } from "./viewer/viewer";

interface HandsEvents {
  chosen(place: number): void;
  moved(clientX: number, clientY: number): void;
}

const CLICK_PX = 4;
const DOUBLE_MS = 350;
/** A second finger that comes so soon was meant from the start: what the first has done is undone. */
const TOGETHER_MS = 250;

export class Hands {
  private pointers = new Map<number, { x: number; y: number }>();
  private deed: "window" | "pan" | "draw" | "pinch" | null = null;
  private from = { x: 0, y: 0 };
  private last = { x: 0, y: 0 };
  private window;
  private wandered = false;
  private since = 0;
  private lastTap = { at: 0, x: 0, y: 0 };

  constructor(
    private viewer: Viewer,
    private stage: HTMLElement,
    private regions: Regions,
    private events: HandsEvents,
  ) {
    this.window = viewer.window;
    const surface = viewer.host;
    surface.addEventListener("pointerdown", (event) => this.down(event));
    surface.addEventListener("pointermove", (event) => this.move(event));
    surface.addEventListener("pointerup", (event) => this.up(event));
    surface.addEventListener("pointercancel", (event) => this.up(event, true));
    // Comes after each pointerup, and instead of it where the browser takes the pointer away.
    // A region that hands its pointer over loses it, too: that is not about the image.
    surface.addEventListener("lostpointercapture", (event) => event.target === surface && this.up(event, true));
    surface.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    surface.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  private down(event: PointerEvent): void {
    if (!this.viewer.current().length) return;
    // Regions take what begins on them.
    if (event.defaultPrevented) return;
    const held = this.regions.letGo();
    if (held) this.take(held.pointerId, held.x, held.y);
    this.stage.focus({ preventScroll: true });
    this.take(event.pointerId, event.clientX, event.clientY);
    // A third finger is a palm or a slip: nothing begins with it.
    if (this.pointers.size > 1) {
      if (this.deed === "draw") this.regions.interrupt();
      const together = event.timeStamp - this.since < TOGETHER_MS;
      if (this.deed === "window" && together) this.viewer.setWindow(this.window);
      this.deed = "pinch";
      return;
    }
    this.since = event.timeStamp;
    this.from = this.last = { x: event.clientX, y: event.clientY };
    this.wandered = false;
    this.window = { ...this.viewer.window };
    if (event.button === 1 || event.button === 2 || event.shiftKey) this.deed = "pan";
    else if (this.regions.tool && event.button === 0) {
      this.deed = "draw";
      this.regions.begin(event.clientX, event.clientY);
    } else this.deed = "window";
  }

  private take(pointerId: number, x: number, y: number): void {
    this.pointers.set(pointerId, { x, y });
    try {
      this.viewer.host.setPointerCapture(pointerId);
    } catch {
      // A pointer that has gone already.
    }
  }

  private move(event: PointerEvent): void {
    this.events.moved(event.clientX, event.clientY);
    const before = this.pointers.get(event.pointerId);
    if (before && this.deed === "pinch" && this.pointers.size !== 2) {
      this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      return;
    }
    if (!before) {
      this.regions.hover(event.clientX, event.clientY);
      return;
    }
    const now = { x: event.clientX, y: event.clientY };
    if (this.deed === "pinch") {
      this.pinch(event.pointerId, before, now);
      this.pointers.set(event.pointerId, now);
      return;
    }
    this.pointers.set(event.pointerId, now);
    const [dx, dy] = [now.x - this.from.x, now.y - this.from.y];
    if (!this.wandered && Math.hypot(dx, dy) < CLICK_PX) return;
    this.wandered = true;
    if (this.deed === "window") {
      this.viewer.setWindow(dragged(this.window, dx, dy, this.viewer.bits));
    } else if (this.deed === "pan") this.viewer.pan(now.x - this.last.x, now.y - this.last.y);
    else if (this.deed === "draw") this.regions.extend(now.x, now.y);
    this.last = now;
  }

  private pinch(id: number, before: { x: number; y: number }, now: { x: number; y: number }): void {
    const [otherId] = [...this.pointers.keys()].filter((each) => each !== id);
    const other = this.pointers.get(otherId!)!;
    const was = Math.hypot(before.x - other.x, before.y - other.y);
    const is = Math.hypot(now.x - other.x, now.y - other.y);
    const middle = this.viewer.tileAt((now.x + other.x) / 2, (now.y + other.y) / 2);
    this.viewer.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    if (was > 10 && is > 10) this.viewer.zoomBy(is / was, middle, middle.index);
  }

  private up(event: PointerEvent, cancelled = false): void {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.deed === "pinch") {
      if (!this.pointers.size) this.deed = null;
      return;
    }
    const { deed } = this;
    this.deed = null;
    if (deed === "draw") {
      if (cancelled) this.regions.interrupt();
      else this.regions.end(event.clientX, event.clientY, this.wandered);
      return;
    }
    if (cancelled || this.wandered || deed !== "window") return;
    this.tap(event);
  }

  private tap(event: PointerEvent): void {
    const place = this.viewer.tileAt(event.clientX, event.clientY);
    const near = Math.hypot(event.clientX - this.lastTap.x, event.clientY - this.lastTap.y) < 20;
    if (event.timeStamp - this.lastTap.at < DOUBLE_MS && near) {
      this.viewer.zoomAbout(this.viewer.zoom === "fit" ? 1 : "fit", place, place.index);
      this.lastTap.at = 0;
      return;
    }
    this.lastTap = { at: event.timeStamp, x: event.clientX, y: event.clientY };
    this.events.chosen(place.index + 1);
  }

  private wheel(event: WheelEvent): void {
    // Nor does the browser enlarge the page or leave it, whether or not there is an image.
    event.preventDefault();
    if (!this.viewer.current().length) return;
    // Browsers turn Shift and wheel into a sideways wheel; any other sideways turn is a slip.
    if (!event.shiftKey && Math.abs(event.deltaX) > Math.abs(event.deltaY)) return;
    const turned = event.shiftKey ? event.deltaY || event.deltaX : event.deltaY;
    if (!turned) return;
    const pixels = turned * (event.deltaMode === 1 ? 33 : event.deltaMode === 2 ? 600 : 1);
    if (event.shiftKey) {
      const range = 2 ** this.viewer.bits - 1;
      this.viewer.setWindow({ width: this.viewer.window.width + (pixels / 2000) * range });
      return;
    }
    const place = this.viewer.tileAt(event.clientX, event.clientY);
    // Two fingers on a touch pad come as a wheel with Ctrl, in far smaller steps.
    const zoomed = event.ctrlKey ? Math.max(-0.5, Math.min(0.5, pixels / 100)) : pixels / 500;
    this.viewer.zoomBy(Math.exp(-zoomed), place, place.index);
  }
}
