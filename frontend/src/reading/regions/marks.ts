/** The drawn regions as data: what each belongs to, undo and redo, and the answer they make. */
import type { Answer, Point, Region, Shape, ShapeType } from "../types";

export type Owner = "findings" | "cues" | "";

export interface Mark extends Shape {
  /** What it marks: a finding, a cue, or nothing in particular. */
  owner: Owner;
  term: string;
}

const MOST_STEPS = 200;

export class Marks {
  list: Mark[] = [];
  private past: string[] = [];
  private future: string[] = [];

  load(answer: Answer): void {
    this.list = [];
    this.past = [];
    this.future = [];
    const add = (region: Region | null, owner: Owner, term: string): void => {
      for (const shape of region?.shapes ?? []) this.list.push({ ...structuredClone(shape), owner, term });
    };
    for (const said of answer.findings) add(said.region, "findings", said.term);
    for (const said of answer.cues) add(said.region, "cues", said.term);
    for (const region of answer.regions) add(region, "", "");
  }

  /** Call before a change, so that it can be undone. */
  remember(): void {
    this.past.push(JSON.stringify(this.list));
    if (this.past.length > MOST_STEPS) this.past.shift();
    this.future = [];
  }

  /** Takes back the last ``remember``: nothing was changed after all. */
  forget(): void {
    this.past.pop();
  }

  undo(): boolean {
    return this.step(this.past, this.future);
  }

  redo(): boolean {
    return this.step(this.future, this.past);
  }

  private step(from: string[], to: string[]): boolean {
    const state = from.pop();
    if (state === undefined) return false;
    to.push(JSON.stringify(this.list));
    this.list = JSON.parse(state) as Mark[];
    return true;
  }

  find(id: string | null): Mark | undefined {
    return this.list.find((mark) => mark.id === id);
  }

  of(owner: Owner, term: string): Mark[] {
    return this.list.filter((mark) => mark.owner === owner && mark.term === term);
  }

  /** Marks of a finding or cue that was taken back are kept, but neither shown nor sent. */
  speaking(answer: Answer): Mark[] {
    return this.list.filter(
      (mark) => !mark.owner || answer[mark.owner].some((said) => said.term === mark.term),
    );
  }

  answer(answer: Answer): Pick<Answer, "regions" | "findings" | "cues"> {
    const region = (owner: Owner, term: string): Region | null => {
      const shapes = this.of(owner, term).map(
        ({ id, type, points, place, label }): Shape => ({ id, type, points, place, label }),
      );
      return shapes.length ? { version: 1, shapes } : null;
    };
    const free = region("", "");
    return {
      regions: free ? [free] : [],
      findings: answer.findings.map((said) => ({ ...said, region: region("findings", said.term) })),
      cues: answer.cues.map((said) => ({ ...said, region: region("cues", said.term) })),
    };
  }
}

export function newId(): string {
  return Math.random().toString(36).slice(2, 10).padEnd(8, "0");
}

/** Rounded to a hundredth of a pixel and kept on the image. */
export function onImage([x, y]: Point, width: number, height: number): Point {
  const inside = (value: number, most: number): number =>
    Math.round(Math.min(most, Math.max(0, value)) * 100) / 100;
  return [inside(x, width), inside(y, height)];
}

/** Moves all points by the same distance, as far as the whole shape stays on the image. */
export function moved(points: Point[], dx: number, dy: number, width: number, height: number): Point[] {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const right = Math.max(-Math.min(...xs), Math.min(width - Math.max(...xs), dx));
  const down = Math.max(-Math.min(...ys), Math.min(height - Math.max(...ys), dy));
  return points.map(([x, y]) => onImage([x + right, y + down], width, height));
}

/** Thins a freehand line: drops points nearer than ``tolerance`` to the line (Douglas-Peucker). */
export function thinned(points: Point[], tolerance: number): Point[] {
  if (points.length < 3) return points;
  const [ax, ay] = points[0]!;
  const [bx, by] = points[points.length - 1]!;
  const length = Math.hypot(bx - ax, by - ay);
  let farthest = 0;
  let at = 0;
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i]!;
    const distance = length
      ? Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length
      : Math.hypot(x - ax, y - ay);
    if (distance > farthest) [farthest, at] = [distance, i];
  }
  if (farthest <= tolerance) return [points[0]!, points[points.length - 1]!];
  const head = thinned(points.slice(0, at + 1), tolerance);
  return [...head.slice(0, -1), ...thinned(points.slice(at), tolerance)];
}

export const NAMES: Record<ShapeType, string> = {
  box: "Box", ellipse: "Ellipse", point: "Point", polygon: "Outline", arrow: "Arrow",
};

/** Size in words: millimetres only where the spacing is known. */
export function measured(mark: Mark, spacing?: number): string {
  if (mark.type === "point" || mark.type === "polygon" || mark.points.length < 2) return "";
  const [[x0, y0], [x1, y1]] = mark.points as [Point, Point];
  const unit = spacing ? "mm" : "px";
  const size = (value: number): string => String(Math.round(value * (spacing ?? 1)));
  if (mark.type === "arrow") return `${size(Math.hypot(x1 - x0, y1 - y0))} ${unit}`;
  return `${size(Math.abs(x1 - x0))} × ${size(Math.abs(y1 - y0))} ${unit}`;
}
