/** Keys for the image. */
import type { ImageTools } from "./imagetools";
import type { Action } from "./keys";
import { PRESETS } from "./viewer/windowing";
import { windowSheet } from "./windowsheet";

const PAN_PX = 60;

export function imageActions(tools: ImageTools): Action[] {
  const { viewer, loupe, form } = tools;
  const actions: Action[] = [];
  const act = (id: string, title: string, keys: string[], run: () => void, repeats = false): void => {
    actions.push({
      id, title, group: "Image", keys, repeats,
      run: () => {
        if (!viewer.current().length) return;
        tools.touched();
        run();
      },
    });
  };
  /** Goes on while the key is held; a switch must not flicker. */
  const step = (id: string, title: string, keys: string[], run: () => void): void => act(id, title, keys, run, true);
  const range = (): number => 2 ** viewer.bits - 1;
  const widen = (share: number): void => viewer.setWindow({ width: viewer.window.width + share * range() });
  const shift = (share: number): void => viewer.setWindow({ centre: viewer.window.centre + share * range() });
  const preset = (name: string) => (): void => {
    const [frame] = viewer.current();
    if (frame) viewer.setWindow(PRESETS.find((each) => each.name === name)!.of(frame));
  };

  act("reset", "Reset the view", ["q"], () => viewer.resetView());
  act("zoom-toggle", "Whole image / 1:1", ["z"], () => viewer.setZoom(viewer.zoom === "fit" ? 1 : "fit"));
  act("zoom-two", "2:1", ["x"], () => viewer.setZoom(2));
  step("zoom-in", "Zoom in", ["=", "Shift++"], () => viewer.zoomBy(1.25));
  step("zoom-out", "Zoom out", ["-"], () => viewer.zoomBy(0.8));
  step("pan-left", "Move left", ["ArrowLeft"], () => viewer.pan(PAN_PX, 0));
  step("pan-right", "Move right", ["ArrowRight"], () => viewer.pan(-PAN_PX, 0));
  step("pan-up", "Move up", ["ArrowUp"], () => viewer.pan(0, PAN_PX));
  step("pan-down", "Move down", ["ArrowDown"], () => viewer.pan(0, -PAN_PX));
  act("invert", "Invert", ["i"], () => viewer.setWindow({ invert: !viewer.window.invert }));
  act("auto", "Automatic window", ["a"], preset("Auto"));
  act("lungs", "Window for the lungs", ["w"], preset("Lungs"));
  act("mediastinum", "Window for the mediastinum", ["g"], preset("Mediastinum"));
  step("narrower", "More contrast", ["]"], () => widen(-0.05));
  step("wider", "Less contrast", ["["], () => widen(0.05));
  step("brighter", "Brighter", ["."], () => shift(-0.03));
  step("darker", "Darker", [","], () => shift(0.03));
  act("numbers", "Window in numbers", ["Shift+W"], () => windowSheet(tools));
  act("loupe", "Magnifying glass", ["l"], () => loupe.set(!loupe.on));
  if (form.rotate_and_flip) {
    act("rotate", "Turn clockwise", ["o"], () =>
      viewer.treat({ ...viewer.treatment, turns: (viewer.treatment.turns + 1) % 4 }));
    act("mirror", "Mirror", ["h"], () =>
      viewer.treat({ ...viewer.treatment, mirrored: !viewer.treatment.mirrored }));
  }
  if (form.edge_filter) {
    act("edge", "Edge filter", ["j"], () =>
      viewer.treat({ ...viewer.treatment, edge: viewer.treatment.edge ? 0 : 1 }));
  }
  return actions;
}
