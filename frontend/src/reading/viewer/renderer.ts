/** What draws frames: the graphics card where there is one, the processor where there is none. */
import type { Frame, Size, View, Window } from "./frame";

/** One image on the canvas: where its tile lies (device pixels) and how it is shown. */
export interface Drawing {
  frame: Frame;
  tile: Size & { left: number; top: number };
  view: View;
  window: Window;
}

export interface Renderer {
  readonly kind: "webgl2" | "canvas";
  /** Clears the canvas and draws all of these. Throws when it could not. */
  draw(drawings: Drawing[]): void;
  /** Whether frames should come with what prepare() makes of them. */
  readonly preparesAhead: boolean;
  /** Gets ready for a frame that will soon be shown in a tile of this size. */
  warm(frame: Frame, tile: Size): void;
  /** Lets go of whatever is kept for the frame. */
  forget(frame: Frame): void;
  /** False while the drawing context is lost. */
  usable(): boolean;
}
