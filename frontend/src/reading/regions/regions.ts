/** Drawing, moving and changing regions, by mouse, finger or keyboard alone. */
import { announce } from "../dom";
import { isTyping, type Keys } from "../keys";
import type { Answer, FormSpec, Point, ShapeType } from "../types";
import { backward } from "../viewer/derive";
import type { Viewer } from "../viewer/viewer";
import { Drawing, handleSpots } from "./drawing";
import { type Mark, Marks, moved, NAMES, newId, onImage, type Owner, thinned } from "./marks";
import { RegionBar } from "./regionbar";

export type Tool = ShapeType | "freehand";

interface RegionEvents {
  changed(): void;
  visited(id: string): void;
  named(kind: "findings" | "cues", term: string): void;
}

const STEP_PX = 6;
const CLOSE_PX = 12;
const MOST_CORNERS = 500;
/** Smallest side of a region, in image pixels. */
const LEAST_SIDE = 1;

export class Regions {
  readonly marks = new Marks();
  readonly toolbar: HTMLElement;
  readonly allowed: boolean;
  tool: Tool | null = null;
  selected: string | null = null;
  private drawing: Drawing;
  private bar: RegionBar;
  private sketch: Mark | null = null;
  private target: { owner: Owner; term: string } = { owner: "", term: "" };
  /** The keyboard's crosshair in stored image pixels. */
  private cursor: { point: Point; index: number } | null = null;
  private answerNow: Answer | null = null;

  constructor(
    private viewer: Viewer,
    private stage: HTMLElement,
    private keys: Keys,
    private events: RegionEvents,
    form: FormSpec,
  ) {
    this.allowed =
      (form.findings !== null && form.findings.region !== "no") ||
      (form.cues !== null && form.cues.region !== "no");
    this.drawing = new Drawing(viewer, {
      focused: (id) => this.select(id),
      grabbed: (event, id, handle) => this.grab(event, id, handle),
    });
    this.bar = new RegionBar(this);
    this.toolbar = this.bar.element;
    this.toolbar.hidden = !this.allowed;
    if (this.allowed) stage.append(this.bar.about);
    viewer.onChange(() => this.layout());
    if (this.allowed) this.defineKeys(form);
    // Before the room's own keys: while something is drawn, Enter and Escape belong to it.
    addEventListener("keydown", (event) => this.pressed(event), { capture: true });
  }

  private defineKeys(form: FormSpec): void {
    this.keys.remove("Regions");
    const act = (id: string, title: string, keys: string[], run: () => void): void =>
      this.keys.define([{ id, title, group: "Regions", keys, run }]);
    act("draw-box", "Box", ["b"], () => this.setTool("box"));
    act("draw-ellipse", "Ellipse", ["e"], () => this.setTool("ellipse"));
    act("draw-point", "Point", ["p"], () => this.setTool("point"));
    act("draw-polygon", "Outline, corner by corner", ["y"], () => this.setTool("polygon"));
    act("draw-freehand", "Outline, freehand", ["u"], () => this.setTool("freehand"));
    act("draw-arrow", "Arrow", ["n"], () => this.setTool("arrow"));
    act("mark", "Mark the last finding", ["m"], () => this.markLast());
    act("undo", "Undo", ["Control+z"], () => this.undo());
    if (form.choice > 1) act("cross-next", "Cross to the next image", ["k"], () => this.nextTile());
    act("redo", "Redo", ["Control+y", "Control+Shift+z"], () => this.redo());
  }

  // -- For the room -----------------------------------------------------------------------------------

  load(answer: Answer, _places: number): void {
    this.answerNow = answer;
    this.marks.load(answer);
    this.selected = null;
    this.setTool(null);
    this.target = { owner: "", term: "" };
    this.layout();
  }

  answer(answer: Answer): Pick<Answer, "regions" | "findings" | "cues"> {
    this.answerNow = answer;
    this.layout();
    return this.marks.answer(answer);
  }

  count(owner: "findings" | "cues", term: string): number {
    return this.marks.of(owner, term).length;
  }

  /** The next shape belongs to this finding or cue. */
  markFor(owner: "findings" | "cues", term: string): void {
    this.target = { owner, term };
    this.setTool(this.tool ?? "box");
    this.stage.focus({ preventScroll: true });
  }

  private markLast(): void {
    const said = this.owners().at(-1);
    if (said) this.markFor(said.owner as "findings" | "cues", said.term);
    else this.setTool("box");
  }

  /** Findings and cues of this case that may be marked. */
  owners(): { owner: Owner; term: string }[] {
    const answer = this.answerNow;
    if (!answer) return [];
    return [
      ...answer.findings.filter((each) => each.term !== "No finding").map(({ term }) => ({ owner: "findings" as const, term })),
      ...answer.cues.map(({ term }) => ({ owner: "cues" as const, term })),
    ];
  }

  setTool(tool: Tool | null): void {
    if (!this.allowed) return;
    this.cancel();
    this.tool = tool;
    this.stage.classList.toggle("drawing", tool !== null);
    if (tool) {
      const [frame] = this.viewer.current();
      if (frame) {
        this.cursor = { point: this.centreOf(0), index: 0 };
        announce(
          `${tool === "freehand" ? "Outline" : NAMES[tool]}: drag on the image, or move the cross with the ` +
            "arrow keys and press Space.",
        );
      }
    } else this.cursor = null;
    this.layout();
  }

  get shown(): boolean {
    return this.viewer.current().length > 0;
  }

  focusSelected(): void {
    if (this.selected) this.drawing.focus(this.selected);
    else this.stage.focus({ preventScroll: true });
  }

  layout(): void {
    const { shown } = this;
    const list = shown && this.answerNow ? this.marks.speaking(this.answerNow) : [];
    this.drawing.update(list, this.selected, shown ? this.sketch : null);
    const cursor = shown ? this.cursor : null;
    this.drawing.crosshair(cursor?.point ?? null, cursor?.index);
    this.bar?.update();
  }

  // -- Places -------------------------------------------------------------------------------------------

  private size(index: number): [number, number] {
    const frame = this.viewer.current()[index];
    if (!frame) return [1, 1];
    return this.viewer.treatment.turns % 2 ? [frame.rows, frame.columns] : [frame.columns, frame.rows];
  }

  /** Stored image point under a point of tile ``index`` in CSS px. */
  private stored(x: number, y: number, index: number): Point {
    const view = this.viewer.viewOf(index);
    const [width, height] = this.size(index);
    const point: Point = [
      (x * devicePixelRatio - view.x) / view.scale,
      (y * devicePixelRatio - view.y) / view.scale,
    ];
    return onImage(backward(point, this.viewer.treatment, width, height), width, height);
  }

  private at(clientX: number, clientY: number): { point: Point; index: number } {
    const { index, x, y } = this.viewer.tileAt(clientX, clientY);
    return { point: this.stored(x, y, index), index };
  }

  private centreOf(index: number): Point {
    const { width, height } = this.viewer.tileSize(index);
    return this.stored(width / 2, height / 2, index);
  }

  /** CSS px, as moved on the screen, in stored image pixels. */
  private distance(dx: number, dy: number, index: number): Point {
    const scale = this.viewer.viewOf(index).scale / devicePixelRatio;
    const [width, height] = this.size(index);
    const { treatment } = this.viewer;
    const from = backward([0, 0], treatment, width, height);
    const to = backward([dx / scale, dy / scale], treatment, width, height);
    return [to[0] - from[0], to[1] - from[1]];
  }

  // -- Drawing --------------------------------------------------------------------------------------------

  private start(point: Point, index: number): Mark {
    return {
      id: newId(), type: this.tool === "freehand" ? "polygon" : this.tool!,
      points: [point], place: index + 1, label: "", ...this.target,
    };
  }

  begin(clientX: number, clientY: number): void {
    const { point, index } = this.at(clientX, clientY);
    this.cursor = null;
    if (this.tool === "polygon" && this.sketch) return;
    this.sketch = this.start(point, index);
    this.layout();
  }

  extend(clientX: number, clientY: number): void {
    if (!this.sketch) return;
    const { index } = this.viewer.tileAt(clientX, clientY);
    if (index !== this.sketch.place - 1) return;
    const { point } = this.at(clientX, clientY);
    const { type, points } = this.sketch;
    if (type === "point") this.sketch.points = [point];
    else if (type === "polygon") {
      if (this.tool === "freehand") points.push(point);
    } else this.sketch.points = [points[0]!, point];
    this.layout();
  }

  end(clientX: number, clientY: number, wandered: boolean): void {
    const { sketch } = this;
    if (!sketch) return;
    const { point } = this.at(clientX, clientY);
    if (sketch.type === "point") return this.commit();
    if (this.tool === "freehand") {
      const scale = this.viewer.viewOf(sketch.place - 1).scale;
      let tolerance = (1.5 * devicePixelRatio) / scale;
      const drawn = sketch.points;
      // However long somebody scribbles, it is an outline that can be stored.
      do sketch.points = thinned(drawn, tolerance);
      while (sketch.points.length > MOST_CORNERS && (tolerance *= 2));
      if (sketch.points.length > 3) return this.commit();
      return this.cancel();
    }
    if (sketch.type === "polygon") return this.corner(point);
    if (wandered) return this.commit();
    // A click sets the first corner; the next click (or Space) the other one.
    if (sketch.points.length === 1) this.cursor = { point, index: sketch.place - 1 };
    else this.commit();
    this.layout();
  }

  hover(clientX: number, clientY: number): void {
    if (!this.sketch || this.tool === "freehand") return;
    const { index } = this.viewer.tileAt(clientX, clientY);
    if (index === this.sketch.place - 1) this.preview(this.at(clientX, clientY).point);
  }

  private preview(point: Point): void {
    const { sketch } = this;
    if (!sketch || sketch.type === "polygon" || sketch.type === "point") return;
    sketch.points = [sketch.points[0]!, point];
    this.layout();
  }

  /** Adds a corner to an outline; back at the first one it is closed. */
  private corner(point: Point): void {
    const sketch = this.sketch!;
    const index = sketch.place - 1;
    const [x0, y0] = this.drawing.place(sketch.points[0]!, index);
    const [x, y] = this.drawing.place(point, index);
    const closes = sketch.points.length > 2 && Math.hypot(x - x0, y - y0) < CLOSE_PX;
    if (closes) return this.commit();
    const last = sketch.points.at(-1)!;
    if (last[0] !== point[0] || last[1] !== point[1]) sketch.points.push(point);
    announce(`Corner ${sketch.points.length}. Enter closes the outline.`);
    this.layout();
  }

  cancel(): void {
    this.sketch = null;
    this.layout();
  }

  private commit(): void {
    const { sketch } = this;
    if (!sketch) return;
    const least = { box: 2, ellipse: 2, arrow: 2, point: 1, polygon: 3 }[sketch.type];
    const [a, b] = sketch.points;
    const flat = sketch.type === "box" || sketch.type === "ellipse";
    if (sketch.points.length < least || (flat && (a![0] === b![0] || a![1] === b![1]))) return this.cancel();
    this.marks.remember();
    this.marks.list.push(sketch);
    this.sketch = null;
    this.tool = null;
    this.cursor = null;
    this.stage.classList.remove("drawing");
    this.selected = sketch.id;
    if (sketch.owner) this.events.named(sketch.owner, sketch.term);
    this.target = { owner: "", term: "" };
    this.events.visited(sketch.id);
    this.events.changed();
    announce(`${NAMES[sketch.type]} ${sketch.term ? `for ${sketch.term.replace(/_/g, " ")} ` : ""}drawn`);
    this.drawing.focus(sketch.id);
  }

  // -- Changing -------------------------------------------------------------------------------------------

  select(id: string | null): void {
    if (this.selected === id) return;
    this.selected = id;
    if (id) this.events.visited(id);
    this.layout();
  }

  private grab(event: PointerEvent, id: string, handle: number | null): void {
    if (event.button !== 0 || this.tool) return;
    const mark = this.marks.find(id);
    if (!mark) return;
    event.preventDefault();
    event.stopPropagation();
    this.select(id);
    this.drawing.focus(id);
    const index = mark.place - 1;
    const before = mark.points.map((point): Point => [...point]);
    const start = this.at(event.clientX, event.clientY).point;
    let begun = false;
    const target = event.currentTarget as SVGGElement;
    target.setPointerCapture(event.pointerId);
    const move = (moving: PointerEvent): void => {
      const tile = this.viewer.tileAt(moving.clientX, moving.clientY);
      if (tile.index !== index) return;
      if (!begun) this.marks.remember();
      begun = true;
      const { point } = this.at(moving.clientX, moving.clientY);
      const [width, height] = this.size(index);
      mark.points = handle === null
        ? moved(before, point[0] - start[0], point[1] - start[1], width, height)
        : reshaped(mark, before, handle, point);
      this.layout();
    };
    const done = (): void => {
      target.removeEventListener("pointermove", move);
      target.removeEventListener("pointerup", done);
      target.removeEventListener("pointercancel", done);
      if (begun) this.events.changed();
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", done);
    target.addEventListener("pointercancel", done);
  }

  relabel(change: Partial<Pick<Mark, "label" | "owner" | "term">>): void {
    const mark = this.marks.find(this.selected);
    if (!mark) return;
    this.marks.remember();
    Object.assign(mark, change);
    this.events.changed();
  }

  remove(): void {
    const mark = this.marks.find(this.selected);
    if (!mark) return;
    this.marks.remember();
    this.marks.list = this.marks.list.filter((each) => each !== mark);
    this.selected = null;
    announce(`${NAMES[mark.type]} removed`);
    this.events.changed();
    this.stage.focus({ preventScroll: true });
  }

  undo(): void {
    if (this.marks.undo()) this.restored("Undone");
  }

  redo(): void {
    if (this.marks.redo()) this.restored("Redone");
  }

  private restored(word: string): void {
    if (!this.marks.find(this.selected)) this.selected = null;
    for (const mark of this.marks.list) if (mark.owner) this.events.named(mark.owner, mark.term);
    announce(word);
    this.events.changed();
    if (this.selected) this.drawing.focus(this.selected);
  }

  // -- Keyboard -------------------------------------------------------------------------------------------

  /** Arrow keys: the cross while drawing, else the selected region. False: not for us. */
  nudge(right: number, down: number, fine = false): boolean {
    const px = fine ? 1 : STEP_PX;
    if (this.tool && this.cursor) {
      const { index, point } = this.cursor;
      const [width, height] = this.size(index);
      const [dx, dy] = this.distance(right * px * 2, down * px * 2, index);
      this.cursor.point = onImage([point[0] + dx, point[1] + dy], width, height);
      this.preview(this.cursor.point);
      this.layout();
      return true;
    }
    const mark = this.focused();
    if (!mark) return false;
    const [width, height] = this.size(mark.place - 1);
    const [dx, dy] = this.distance(right * px, down * px, mark.place - 1);
    this.marks.remember();
    mark.points = moved(mark.points, dx, dy, width, height);
    this.events.changed();
    return true;
  }

  private focused(): Mark | undefined {
    const id = document.activeElement?.getAttribute("data-region");
    return id ? this.marks.find(id) : undefined;
  }

  private resize(right: number, down: number): void {
    const mark = this.focused();
    if (!mark || mark.type === "point") return;
    const [width, height] = this.size(mark.place - 1);
    const [dx, dy] = this.distance(right * STEP_PX, down * STEP_PX, mark.place - 1);
    this.marks.remember();
    if (mark.type === "polygon") mark.points = grown(mark.points, dx, dy, width, height);
    else {
      const [a, b] = mark.points as [Point, Point];
      const end = onImage([b[0] + dx, b[1] + dy], width, height);
      const flat = mark.type !== "arrow" &&
        (Math.abs(end[0] - a[0]) < LEAST_SIDE || Math.abs(end[1] - a[1]) < LEAST_SIDE);
      if (flat) {
        this.marks.forget();
        return;
      }
      mark.points = [a, end];
    }
    this.events.changed();
  }

  private pressed(event: KeyboardEvent): void {
    if (this.keys.held || isTyping(event.target) || !this.viewer.current().length) return;
    const arrows: Record<string, Point> = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    };
    const take = (): void => {
      event.preventDefault();
      event.stopPropagation();
    };
    const arrow = arrows[event.key];
    const radio = event.target instanceof HTMLInputElement;
    if (arrow && !radio && (this.focused() || (this.tool && this.cursor))) {
      take();
      if (event.shiftKey && this.focused()) this.resize(...arrow);
      else this.nudge(arrow[0], arrow[1], event.altKey);
    } else if (this.tool && (event.key === " " || event.key === "Enter")) {
      take();
      this.anchor(event.key === "Enter");
    } else if (this.tool && event.key === "Escape") {
      take();
      if (this.sketch) this.cancel();
      else this.setTool(null);
    } else if (this.tool && event.key === "Backspace" && this.sketch?.type === "polygon") {
      take();
      this.sketch.points.pop();
      if (!this.sketch.points.length) this.sketch = null;
      this.layout();
    } else if (this.focused() && (event.key === "Delete" || event.key === "Backspace")) {
      take();
      this.remove();
    } else if (this.focused() && event.key === "Escape") {
      take();
      this.select(null);
      this.stage.focus({ preventScroll: true });
    }
  }

  /** Space or Enter at the cross: a corner; Enter also ends an outline. */
  private anchor(ends: boolean): void {
    if (!this.cursor) this.cursor = { point: this.centreOf(0), index: 0 };
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
      this.layout();
    }
  }

  /** The cross to the next image of a side-by-side presentation. */
  nextTile(): void {
    const count = this.viewer.current().length;
    if (!this.cursor || count < 2 || this.sketch) return;
    const index = (this.cursor.index + 1) % count;
    this.cursor = { point: this.centreOf(index), index };
    announce(`Cross on image ${index + 1}`);
    this.layout();
  }
}

function reshaped(mark: Mark, before: Point[], handle: number, point: Point): Point[] {
  if (mark.type === "box" || mark.type === "ellipse") {
    // The corner opposite to the one that is held stays.
    const opposite = handleSpots(mark, before)[(handle + 2) % 4]!;
    return [opposite, point];
  }
  return before.map((each, number) => (number === handle ? point : each));
}

/** An outline made wider and higher about its centre. */
function grown(points: Point[], dx: number, dy: number, width: number, height: number): Point[] {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const wider = right > left ? Math.max(0.05, (right - left + dx) / (right - left)) : 1;
  const higher = bottom > top ? Math.max(0.05, (bottom - top + dy) / (bottom - top)) : 1;
  return points.map(([x, y]) =>
    onImage([left + (x - left) * wider, top + (y - top) * higher], width, height));
}
