/** Signs of the tools, from Bootstrap Icons; in the script, so that none is fetched later. */
import down from "bootstrap-icons/icons/arrow-90deg-left.svg?raw";
import up from "bootstrap-icons/icons/arrow-90deg-right.svg?raw";
import clockwise from "bootstrap-icons/icons/arrow-clockwise.svg?raw";
import back from "bootstrap-icons/icons/arrow-counterclockwise.svg?raw";
import arrow from "bootstrap-icons/icons/arrow-up-right.svg?raw";
import brilliance from "bootstrap-icons/icons/brilliance.svg?raw";
import half from "bootstrap-icons/icons/circle-half.svg?raw";
import circle from "bootstrap-icons/icons/circle.svg?raw";
import crosshair from "bootstrap-icons/icons/crosshair.svg?raw";
import pencil from "bootstrap-icons/icons/pencil.svg?raw";
import pentagon from "bootstrap-icons/icons/pentagon.svg?raw";
import search from "bootstrap-icons/icons/search.svg?raw";
import square from "bootstrap-icons/icons/square.svg?raw";
import mirror from "bootstrap-icons/icons/symmetry-vertical.svg?raw";
import trash from "bootstrap-icons/icons/trash3.svg?raw";

const SIGNS = {
  undo: down, redo: up, turn: clockwise, reset: back, arrow, edge: brilliance, invert: half,
  ellipse: circle, point: crosshair, freehand: pencil, polygon: pentagon, loupe: search,
  box: square, mirror, delete: trash,
};

export type Sign = keyof typeof SIGNS;

export function icon(sign: Sign): SVGElement {
  const parsed = new DOMParser().parseFromString(SIGNS[sign], "image/svg+xml");
  const element = parsed.documentElement as unknown as SVGElement;
  element.setAttribute("aria-hidden", "true");
  return document.importNode(element, true);
}
