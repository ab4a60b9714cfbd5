/** Regions that are drawn: selected, moved, resized, named, removed. */
import { announce } from "../dom";
import type { Point } from "../types";
import type { Drawing } from "./drawing";
import { type Mark, type Marks, moved, NAMES, onImage } from "./marks";
import type { Places } from "./places";
import { grown, handleName, handleSpots, LAST_CORNER, reshaped, upright } from "./shaping";

const STEP_PX = 6;

interface EditEvents {
  redraw(): void;
  changed(): void;
  visited(id: string): void;
  /** The keys go back to the image. */
  leave(): void;
}

/** A pointer that pulls a region. */
export interface Held {
  pointerId: number;
  x: number;
  y: number;
}

export class Editing {
  /** Ends the pull that lasts, as if it had not been. */
  private giveUp: (() => Held) | null = null;
  selected: string | null = null;
  /** The corner that Shift and the arrow keys move; none is the region as a whole. */
  handle: number | null = null;

  constructor(
    private marks: Marks,
    private places: Places,
    private drawing: Drawing,
    private events: EditEvents,
  ) {}

  select(id: string | null): void {
    if (this.selected === id) return;
    this.selected = id;
    this.handle = null;
    if (id) this.events.visited(id);
    this.events.redraw();
  }

  /** The region that has the focus. */
  focused(): Mark | undefined {
    const id = document.activeElement?.getAttribute("data-region");
    return id ? this.marks.find(id) : undefined;
  }

  // -- Mouse and finger -------------------------------------------------------------------------------

  grab(event: PointerEvent, id: string, handle: number | null): void {
    const mark = this.marks.find(id);
    // A second finger on a region is one of two that zoom: the image takes both.
    if (event.button !== 0 || !mark || this.giveUp) return;
    event.preventDefault();
    event.stopPropagation();
    this.select(id);
    this.drawing.focus(id);
    const index = mark.place - 1;
    const before = mark.points.map((point): Point => [...point]);
    const start = this.places.at(event.clientX, event.clientY).point;
    let begun = false;
    const held: Held = { pointerId: event.pointerId, x: event.clientX, y: event.clientY };
    const target = event.currentTarget as SVGGElement;
    target.setPointerCapture(event.pointerId);
    const move = (moving: PointerEvent): void => {
      const place = this.places.at(moving.clientX, moving.clientY);
      if (moving.pointerId !== event.pointerId) return;
      [held.x, held.y] = [moving.clientX, moving.clientY];
      if (place.index !== index) return;
      if (!begun) this.marks.remember();
      begun = true;
      const [width, height] = this.places.size(index);
      const [x, y] = place.point;
      if (handle === null) mark.points = moved(before, x - start[0], y - start[1], width, height);
      else mark.points = reshaped(mark, before, handle, place.point) ?? mark.points;
      this.events.redraw();
    };
    const ends = ["pointerup", "pointercancel", "lostpointercapture"] as const;
    const stop = (): void => {
      this.giveUp = null;
      target.removeEventListener("pointermove", move);
      for (const kind of ends) target.removeEventListener(kind, done);
    };
    const giveUp = (): Held => {
      stop();
      if (begun) {
        mark.points = before;
        this.marks.forget();
        this.events.redraw();
      }
      return held;
    };
    const done = (ending: PointerEvent): void => {
      if (ending.pointerId !== event.pointerId) return;
      // Taken away by the browser, it was not let go of: the region is where it was.
      if (ending.type !== "pointerup") return void giveUp();
      stop();
      if (begun) this.events.changed();
    };
    this.giveUp = giveUp;
    target.addEventListener("pointermove", move);
    for (const kind of ends) target.addEventListener(kind, done);
  }

  letGo(): Held | null {
    return this.giveUp?.() ?? null;
  }

  // -- Keyboard -----------------------------------------------------------------------------------------

  nudge(mark: Mark, right: number, down: number, fine: boolean): void {
    const index = mark.place - 1;
    const px = fine ? 1 : STEP_PX;
    const [width, height] = this.places.size(index);
    const [dx, dy] = this.places.distance(right * px, down * px, index);
    this.marks.remember();
    mark.points = moved(mark.points, dx, dy, width, height);
    this.events.changed();
  }

  /** Moves the corner that was taken; an outline of which none was taken grows as a whole. */
  resize(mark: Mark, right: number, down: number, fine: boolean): void {
    if (mark.type === "point") return;
    const index = mark.place - 1;
    const px = fine ? 1 : STEP_PX;
    const [width, height] = this.places.size(index);
    const [dx, dy] = this.places.distance(right * px, down * px, index);
    const before = upright(mark, mark.points);
    const handle = this.handle ?? usual(mark);
    let points: Point[] | null;
    if (handle === null) points = grown(before, dx, dy, width, height);
    else {
      const [x, y] = handleSpots(mark, before)[handle]!;
      const to = onImage([x + dx, y + dy], width, height);
      points = reshaped(mark, before, handle, to);
      if (!points) return;
      points = upright(mark, points);
      // A box's corner pulled across the opposite side is another one now.
      this.handle = mark.type === "arrow" || mark.type === "polygon" ? handle
        : handleSpots(mark, points).findIndex((spot) => spot[0] === to[0] && spot[1] === to[1]);
    }
    this.marks.remember();
    mark.points = points;
    this.events.changed();
  }

  /** Takes the next corner (or the one before); after an outline's last one, the whole of it. */
  nextHandle(mark: Mark, step: 1 | -1): void {
    mark.points = upright(mark, mark.points);
    const count = handleSpots(mark, mark.points).length;
    if (!count) return;
    const whole = mark.type === "polygon";
    const places = count + (whole ? 1 : 0);
    const now = this.handle ?? usual(mark) ?? count;
    const next = (now + step + places) % places;
    this.handle = next === count ? null : next;
    const spots = handleSpots(mark, mark.points.map((point) => this.drawing.place(point, mark.place - 1)));
    announce(`${this.handle === null ? "The whole outline" : handleName(mark, spots, this.handle)}: ` +
      "Shift and the arrow keys move it.");
    this.events.redraw();
  }

  // -- What it is ---------------------------------------------------------------------------------------

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
    this.selected = this.handle = null;
    announce(`${NAMES[mark.type]} removed`);
    this.events.changed();
    this.events.leave();
  }
}

/** The corner that is moved where none was taken: the far one, or an outline as a whole. */
function usual(mark: Mark): number | null {
  return mark.type === "polygon" ? null : mark.type === "arrow" ? 1 : LAST_CORNER;
}
