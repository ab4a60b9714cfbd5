/** A region while it is being drawn: by dragging, corner by corner, or with the keyboard's cross. */
import { announce } from "../dom";
import type { Point } from "../types";
import type { Viewer } from "../viewer/viewer";
import type { Drawing } from "./drawing";
import { type Mark, NAMES, newId, onImage, thinned } from "./marks";
import type { Place, Places } from "./places";
import { NOTHING, type Target, type Tool } from "./tools";

const CLOSE_PX = 12;
const CROSS_PX = 12;
const MOST_CORNERS = 500;

interface SketchEvents {
  /** Something looks different now. */
  redraw(): void;
  drawn(mark: Mark): void;
}

export class Sketcher {
  tool: Tool | null = null;
  sketch: Mark | null = null;
  /** The keyboard's crosshair. */
  cursor: Place | null = null;
  /** What the next region belongs to. */
  target: Target = NOTHING;
  /** The press that lasts has begun the sketch; otherwise it adds to one that was there. */
  private begun = false;
  /** Where the keyboard's cross was put by the reader, not only by taking the tool. */
  private aimed = false;

  constructor(
    private viewer: Viewer,
    private places: Places,
    private drawing: Drawing,
    private events: SketchEvents,
  ) {}

  take(tool: Tool | null): void {
    this.cancel();
    this.tool = tool;
    this.cursor = null;
    this.aimed = false;
    if (!tool) this.target = NOTHING;
    if (tool && this.viewer.current().length) {
      this.cursor = { point: this.places.centreOf(0), index: 0 };
      announce(
        `${tool === "freehand" ? "Outline" : NAMES[tool]}: drag on the image, or move the cross with the ` +
          "arrow keys and press Space.",
      );
    }
    this.events.redraw();
  }

  cancel(): void {
    this.sketch = null;
    this.events.redraw();
  }

  /** The pointer was lost, or is needed for something else: what it has not ended did not happen. */
  interrupt(): void {
    if (this.begun) this.cancel();
  }

  private start(point: Point, index: number): Mark {
    return {
      id: newId(), type: this.tool === "freehand" ? "polygon" : this.tool!,
      points: [point], place: index + 1, label: "", ...this.target,
    };
  }

  // -- Mouse and finger -------------------------------------------------------------------------------

  begin(clientX: number, clientY: number): void {
    const { point, index } = this.places.at(clientX, clientY);
    this.cursor = null;
    this.begun = !this.sketch;
    // A corner that was set by a click stays: this press sets the next one.
    if (this.sketch) return;
    this.sketch = this.start(point, index);
    this.events.redraw();
  }

  extend(clientX: number, clientY: number): void {
    if (!this.sketch) return;
    const { point, index } = this.places.at(clientX, clientY);
    if (index !== this.sketch.place - 1) return;
    const { type, points } = this.sketch;
    if (type === "point") this.sketch.points = [point];
    else if (type === "polygon") {
      if (this.tool === "freehand") points.push(point);
    } else this.sketch.points = [points[0]!, point];
    this.events.redraw();
  }

  end(clientX: number, clientY: number, wandered: boolean): void {
    const { sketch } = this;
    if (!sketch) return;
    const { point, index } = this.places.at(clientX, clientY);
    // Let go of over another image: a pull ends where it was last on its own, a click is none.
    if (index !== sketch.place - 1 && (!this.begun || this.tool === "polygon")) return;
    if (sketch.type === "point") return this.commit();
    if (this.tool === "freehand") return this.endFreehand(sketch);
    if (sketch.type === "polygon") return this.corner(point);
    if (wandered) return this.commit();
    // A click sets the first corner; the next click (or Space) the other one.
    if (this.begun) this.cursor = { point, index: sketch.place - 1 };
    else {
      this.preview(point);
      this.commit();
    }
    this.events.redraw();
  }

  private endFreehand(sketch: Mark): void {
    const scale = this.viewer.viewOf(sketch.place - 1).scale;
    let tolerance = (1.5 * devicePixelRatio) / scale;
    const drawn = sketch.points;
    // However long somebody scribbles, it is an outline that can be stored.
    do sketch.points = thinned(drawn, tolerance);
    while (sketch.points.length > MOST_CORNERS && (tolerance *= 2));
    if (sketch.points.length > 3) this.commit();
    else this.cancel();
  }

  hover(clientX: number, clientY: number): void {
    if (!this.sketch || this.tool === "freehand") return;
    const { point, index } = this.places.at(clientX, clientY);
    if (index === this.sketch.place - 1) this.preview(point);
  }

  private preview(point: Point): void {
    const { sketch } = this;
    if (!sketch || sketch.type === "polygon" || sketch.type === "point") return;
    sketch.points = [sketch.points[0]!, point];
    this.events.redraw();
  }

  // -- Corner by corner -------------------------------------------------------------------------------

  /** Adds a corner to an outline; back at the first one it is closed. */
  private corner(point: Point): void {
    const sketch = this.sketch!;
    const index = sketch.place - 1;
    const [x0, y0] = this.drawing.place(sketch.points[0]!, index);
    const [x, y] = this.drawing.place(point, index);
    const closes = sketch.points.length > 2 && Math.hypot(x - x0, y - y0) < CLOSE_PX;
    if (closes) return this.commit();
    const last = sketch.points.at(-1)!;
    const full = sketch.points.length >= MOST_CORNERS;
    if (!full && (last[0] !== point[0] || last[1] !== point[1])) sketch.points.push(point);
    announce(full ? "An outline has at most 500 corners. Enter closes it."
      : `Corner ${sketch.points.length}. Enter closes the outline.`);
    this.events.redraw();
  }

  /** Takes back the last corner of an outline. False when there is none. */
  takeBack(): boolean {
    if (this.sketch?.type !== "polygon") return false;
    this.sketch.points.pop();
    if (!this.sketch.points.length) this.sketch = null;
    this.events.redraw();
    return true;
  }

  // -- Keyboard -----------------------------------------------------------------------------------------

  moveCross(right: number, down: number, fine: boolean): void {
    const { index, point } = this.cursor!;
    const px = fine ? 1 : CROSS_PX;
    this.aimed = true;
    const [width, height] = this.places.size(index);
    const [dx, dy] = this.places.distance(right * px, down * px, index);
    this.cursor!.point = onImage([point[0] + dx, point[1] + dy], width, height);
    this.preview(this.cursor!.point);
    this.events.redraw();
  }

  /** Whether Enter is about the region: where nothing was begun nor aimed at, it submits as ever. */
  get begins(): boolean {
    return this.sketch !== null || this.aimed;
  }

  /** Space or Enter at the cross: a corner; Enter also ends an outline. */
  anchor(ends: boolean): void {
    this.cursor ??= { point: this.places.centreOf(0), index: 0 };
    const { point, index } = this.cursor;
    if (this.sketch?.type === "polygon") {
      if (ends) this.commit();
      else this.corner(point);
    } else if (this.sketch) {
      this.preview(point);
      this.commit();
    } else {
      // Freehand by keyboard is an outline, corner by corner.
      if (this.tool === "freehand") this.tool = "polygon";
      this.sketch = this.start(point, index);
      if (this.sketch.type === "point") this.commit();
      else announce("First corner set. Move the cross and press Space.");
      this.events.redraw();
    }
  }

  /** The cross to the next image of a side-by-side presentation. */
  nextTile(): void {
    const count = this.viewer.current().length;
    if (!this.cursor || count < 2 || this.sketch) return;
    const index = (this.cursor.index + 1) % count;
    this.cursor = { point: this.places.centreOf(index), index };
    announce(`Cross on image ${index + 1}`);
    this.events.redraw();
  }

  private commit(): void {
    const { sketch } = this;
    if (!sketch) return;
    const least = { box: 2, ellipse: 2, arrow: 2, point: 1, polygon: 3 }[sketch.type];
    const [a, b] = sketch.points;
    const flat = sketch.type === "box" || sketch.type === "ellipse";
    if (sketch.points.length < least || (flat && (a![0] === b![0] || a![1] === b![1]))) return this.cancel();
    this.sketch = null;
    this.tool = null;
    this.cursor = null;
    this.target = NOTHING;
    this.events.drawn(sketch);
  }
}
