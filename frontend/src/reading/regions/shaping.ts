/** How a region's points change when a corner is moved. */
import type { Point } from "../types";
import { type Mark, onImage } from "./marks";

/** Smallest side of a region, in image pixels. */
const LEAST_SIDE = 1;

/** Corners of boxes and ellipses, ends of arrows, each corner of an outline. */
export function handleSpots(mark: Pick<Mark, "type">, points: Point[]): Point[] {
  if (mark.type !== "box" && mark.type !== "ellipse") return mark.type === "point" ? [] : points;
  const [[x0, y0], [x1, y1]] = points as [Point, Point];
  return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
}

/** The corner of a box or an ellipse that is moved where none was taken: the last of upright(). */
export const LAST_CORNER = 2;

/** Boxes and ellipses from their least to their greatest corner, so that corners go round in order. */
export function upright(mark: Pick<Mark, "type">, points: Point[]): Point[] {
  if (mark.type !== "box" && mark.type !== "ellipse") return points;
  const [[x0, y0], [x1, y1]] = points as [Point, Point];
  return [[Math.min(x0, x1), Math.min(y0, y1)], [Math.max(x0, x1), Math.max(y0, y1)]];
}

/** The points with one corner elsewhere; null when nothing of the region would be left. */
export function reshaped(mark: Pick<Mark, "type">, points: Point[], handle: number, to: Point): Point[] | null {
  if (mark.type !== "box" && mark.type !== "ellipse") {
    return points.map((each, number) => (number === handle ? to : each));
  }
  // The corner opposite to the one that is held stays.
  const [x, y] = handleSpots(mark, points)[(handle + 2) % 4]!;
  if (Math.abs(to[0] - x) < LEAST_SIDE || Math.abs(to[1] - y) < LEAST_SIDE) return null;
  return [[x, y], to];
}

/** An outline made wider and higher about its upper left. */
export function grown(points: Point[], dx: number, dy: number, width: number, height: number): Point[] {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const wider = right > left ? Math.max(0.05, (right - left + dx) / (right - left)) : 1;
  const higher = bottom > top ? Math.max(0.05, (bottom - top + dy) / (bottom - top)) : 1;
  return points.map(([x, y]) =>
    onImage([left + (x - left) * wider, top + (y - top) * higher], width, height));
}

/** A corner in words, from where it is on the screen. */
export function handleName(mark: Pick<Mark, "type">, spots: Point[], handle: number): string {
  if (mark.type === "arrow") return handle ? "Tip of the arrow" : "Tail of the arrow";
  if (mark.type === "polygon") return `Corner ${handle + 1} of ${spots.length}`;
  const middle = (axis: 0 | 1): number => spots.reduce((sum, spot) => sum + spot[axis], 0) / spots.length;
  const [x, y] = spots[handle]!;
  return `${y < middle(1) ? "Upper" : "Lower"} ${x < middle(0) ? "left" : "right"} corner`;
}
