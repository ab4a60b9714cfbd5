/** Which part of the images is in sight, and how large: the same for all that lie side by side. */
import { centred, fit, type Size, type View } from "./frame";

export type Zoom = "fit" | number;

const MOST_SCALE = 16;

export class Camera {
  zoom: Zoom = "fit";
  /** The image point at each tile's centre, as shares of its width and height. */
  centre = { x: 0.5, y: 0.5 };

  whole(): void {
    this.zoom = "fit";
    this.centre = { x: 0.5, y: 0.5 };
  }

  view(image: Size, tile: Size): View {
    if (this.zoom === "fit") return fit(image, tile);
    const view = centred(image, tile, this.zoom);
    view.x = Math.round(tile.width / 2 - this.centre.x * image.width * this.zoom);
    view.y = Math.round(tile.height / 2 - this.centre.y * image.height * this.zoom);
    return view;
  }

  /** Zooms so that the image point under (x, y), in the tile's device pixels, stays where it is. */
  zoomAbout(zoom: Zoom, image: Size, tile: Size, x = tile.width / 2, y = tile.height / 2): void {
    if (zoom === "fit") return this.whole();
    const before = this.view(image, tile);
    const whole = fit(image, tile).scale;
    // A tiny image is larger than that when it is seen whole: it must not shrink when zoomed in.
    const most = Math.max(MOST_SCALE, 2 * whole);
    const scale = Math.min(most, Math.max(Math.min(1, whole / 2), zoom));
    const u = (x - before.x) / before.scale;
    const v = (y - before.y) / before.scale;
    this.zoom = scale;
    this.centre = {
      x: (u + (tile.width / 2 - x) / scale) / image.width,
      y: (v + (tile.height / 2 - y) / scale) / image.height,
    };
    this.keepInSight();
  }

  /** Moves the image by device pixels. */
  pan(dx: number, dy: number, image: Size, tile: Size): void {
    const { scale } = this.view(image, tile);
    if (this.zoom === "fit") this.zoom = scale;
    this.centre.x -= dx / scale / image.width;
    this.centre.y -= dy / scale / image.height;
    this.keepInSight();
  }

  /** The middle of the tile never leaves the image. */
  private keepInSight(): void {
    this.centre.x = Math.min(1, Math.max(0, this.centre.x));
    this.centre.y = Math.min(1, Math.max(0, this.centre.y));
  }
}
