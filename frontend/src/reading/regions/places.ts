/** From the screen to the stored image, whatever the view and the treatment. */
import type { Point } from "../types";
import { backward } from "../viewer/derive";
import type { Viewer } from "../viewer/viewer";
import { onImage } from "./marks";

export interface Place {
  /** In stored image pixels. */
  point: Point;
  /** Which of the images side by side. */
  index: number;
}

export class Places {
  constructor(private viewer: Viewer) {}

  /** Width and height of the stored image. */
  size(index: number): [number, number] {
    const frame = this.viewer.current()[index];
    if (!frame) return [1, 1];
    return this.viewer.treatment.turns % 2 ? [frame.rows, frame.columns] : [frame.columns, frame.rows];
  }

  /** Stored image point under a point of tile ``index`` in CSS px. */
  stored(x: number, y: number, index: number): Point {
    const view = this.viewer.viewOf(index);
    const [width, height] = this.size(index);
    const point: Point = [
      (x * devicePixelRatio - view.x) / view.scale,
      (y * devicePixelRatio - view.y) / view.scale,
    ];
    return onImage(backward(point, this.viewer.treatment, width, height), width, height);
  }

  at(clientX: number, clientY: number): Place {
    const { index, x, y } = this.viewer.tileAt(clientX, clientY);
    return { point: this.stored(x, y, index), index };
  }

  centreOf(index: number): Point {
    const { width, height } = this.viewer.tileSize(index);
    return this.stored(width / 2, height / 2, index);
  }

  /** CSS px, as moved on the screen, in stored image pixels. */
  distance(dx: number, dy: number, index: number): Point {
    const scale = this.viewer.viewOf(index).scale / devicePixelRatio;
    const [width, height] = this.size(index);
    const { treatment } = this.viewer;
    const from = backward([0, 0], treatment, width, height);
    const to = backward([dx / scale, dy / scale], treatment, width, height);
    return [to[0] - from[0], to[1] - from[1]];
  }
}
