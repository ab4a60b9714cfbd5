/** Regions as SVG over the image. Elements are changed in place, so that focus is never lost. */
import { svg } from "../dom";
import type { Point } from "../types";
import { forward } from "../viewer/derive";
import type { Viewer } from "../viewer/viewer";
import { type Mark, measured, NAMES } from "./marks";
import { handleSpots } from "./shaping";

/** The region that the reader is at, and which of its corners, if one was taken. */
interface Chosen {
  selected: string | null;
  handle: number | null;
}

export interface DrawingEvents {
  focused(id: string): void;
  grabbed(event: PointerEvent, id: string, handle: number | null): void;
}

export class Drawing {
  private layers: SVGSVGElement[] = [];
  private groups = new Map<string, SVGGElement>();
  private cross = svg("g", { class: "cross", "aria-hidden": "true" });

  constructor(
    private viewer: Viewer,
    private events: DrawingEvents,
  ) {
    this.cross.append(svg("path", { d: "M-14 0H-4M4 0H14M0-14V-4M0 4V14" }), svg("circle", { r: 1 }));
  }

  /** A stored point in the CSS px of its tile. */
  place(point: Point, index: number): Point {
    const frame = this.viewer.current()[index];
    if (!frame) return [0, 0];
    const { treatment } = this.viewer;
    const swapped = treatment.turns % 2 === 1;
    const [width, height] = swapped ? [frame.rows, frame.columns] : [frame.columns, frame.rows];
    const [x, y] = forward(point, treatment, width, height);
    const view = this.viewer.viewOf(index);
    return [
      (x * view.scale + view.x) / devicePixelRatio,
      (y * view.scale + view.y) / devicePixelRatio,
    ];
  }

  update(marks: Mark[], chosen: Chosen, sketch: Mark | null): void {
    this.viewer.tileElements.forEach((tile, index) => {
      this.layers[index] ??= svg("svg", { class: "regions" });
      if (this.layers[index]!.parentNode !== tile) tile.append(this.layers[index]!);
    });
    const wanted = sketch ? [...marks, sketch] : marks;
    const ids = new Set(wanted.map((mark) => mark.id));
    for (const [id, group] of this.groups) {
      if (!ids.has(id)) {
        group.remove();
        this.groups.delete(id);
      }
    }
    for (const mark of wanted) this.one(mark, mark.id === chosen.selected, mark === sketch, chosen.handle);
  }

  private one(mark: Mark, selected: boolean, sketching: boolean, handle: number | null): void {
    const index = mark.place - 1;
    const layer = this.layers[index];
    if (!layer || !this.viewer.current()[index]) return;
    let group = this.groups.get(mark.id);
    if (!group) {
      group = this.fresh(mark);
      this.groups.set(mark.id, group);
      layer.append(group);
    }
    group.setAttribute("class", `region${selected ? " selected" : ""}${sketching ? " sketch" : ""}`);
    const points = mark.points.map((point) => this.place(point, index));
    const path = outline(mark, points);
    for (const line of group.querySelectorAll("path")) line.setAttribute("d", path);
    const name = [mark.term.replace(/_/g, " "), mark.label].filter(Boolean).join(": ");
    const spacing = this.viewer.current()[index]?.spacing;
    const text = group.querySelector("text")!;
    const top = points.reduce((least, point) => (point[1] < least[1] ? point : least), points[0]!);
    const left = Math.min(...points.map(([x]) => x));
    text.setAttribute("x", String(mark.type === "arrow" ? points[0]![0] : left));
    text.setAttribute("y", String(Math.max(14, top[1] - 8)));
    text.textContent = [name, selected || sketching ? measured(mark, spacing) : ""].filter(Boolean).join("  ");
    group.setAttribute(
      "aria-label",
      `${NAMES[mark.type]}${name ? `, ${name}` : ""}, ${measured(mark, spacing)}. Arrow keys move it, ` +
        "Shift and arrow keys resize it, Space takes another corner, Delete removes it.",
    );
    this.handles(group, mark, points, selected && !sketching, handle);
  }

  private fresh(mark: Mark): SVGGElement {
    const { id } = mark;
    const group = svg("g", {
      tabindex: 0, role: "button", "aria-roledescription": "region", "data-region": id,
      onfocus: () => this.events.focused(id),
      onpointerdown: (event: PointerEvent) => {
        const handle = (event.target as Element).getAttribute("data-handle");
        this.events.grabbed(event, id, handle === null ? null : Number(handle));
      },
    });
    group.append(
      svg("path", { class: "reach" }), svg("path", { class: "shadow" }), svg("path", { class: "line" }),
      svg("text", { "aria-hidden": "true" }), svg("g", { class: "handles", "aria-hidden": "true" }),
    );
    return group;
  }

  private handles(group: SVGGElement, mark: Mark, points: Point[], shown: boolean, taken: number | null): void {
    const holder = group.querySelector(".handles")!;
    const spots = shown ? handleSpots(mark, points) : [];
    while (holder.children.length > spots.length) holder.lastChild!.remove();
    while (holder.children.length < spots.length) {
      const number = holder.children.length;
      // A large invisible circle takes the finger, the small one is seen.
      holder.append(svg("g", {},
        svg("circle", { class: "grip", r: 14, "data-handle": number }),
        svg("circle", { class: "dot", r: 4, "data-handle": number })));
    }
    spots.forEach(([x, y], number) => {
      const spot = holder.children[number]!;
      spot.setAttribute("transform", `translate(${x} ${y})`);
      spot.classList.toggle("taken", number === taken);
    });
  }

  focus(id: string): void {
    this.groups.get(id)?.focus({ preventScroll: true });
  }

  /** The keyboard's crosshair. */
  crosshair(point: Point | null, index = 0): void {
    const layer = this.layers[index];
    if (!point || !layer) {
      this.cross.remove();
      return;
    }
    const [x, y] = this.place(point, index);
    this.cross.setAttribute("transform", `translate(${x} ${y})`);
    if (this.cross.parentNode !== layer) layer.append(this.cross);
  }
}

function outline(mark: Mark, points: Point[]): string {
  const [first, second] = points;
  if (!first) return "";
  const [x0, y0] = first;
  if (mark.type === "point") return `M${x0 - 9} ${y0}H${x0 - 3}M${x0 + 3} ${y0}H${x0 + 9}M${x0} ${y0 - 9}V${y0 - 3}M${x0} ${y0 + 3}V${y0 + 9}`;
  if (!second) return `M${x0 - 3} ${y0}H${x0 + 3}M${x0} ${y0 - 3}V${y0 + 3}`;
  const [x1, y1] = second;
  switch (mark.type) {
    case "box":
      return `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
    case "ellipse": {
      const [rx, ry] = [Math.abs(x1 - x0) / 2, Math.abs(y1 - y0) / 2];
      const middle = (y0 + y1) / 2;
      const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)];
      return `M${left} ${middle}A${rx} ${ry} 0 0 1 ${right} ${middle}A${rx} ${ry} 0 0 1 ${left} ${middle}Z`;
    }
    case "arrow": {
      const angle = Math.atan2(y1 - y0, x1 - x0);
      const barb = (turn: number): string =>
        `M${x1} ${y1}L${x1 - 14 * Math.cos(angle + turn)} ${y1 - 14 * Math.sin(angle + turn)}`;
      return `M${x0} ${y0}L${x1} ${y1}${barb(0.45)}${barb(-0.45)}`;
    }
    default:
      return `M${points.map(([x, y]) => `${x} ${y}`).join("L")}${points.length > 2 ? "Z" : ""}`;
  }
}
