/** A quiet bar under the image: presets, zoom and tools for the mouse; the window in numbers. */
import type { ImageControls } from "./controls";
import { h } from "./dom";
import type { SessionSpec } from "./types";
import { PRESETS } from "./viewer/windowing";

export class ViewBar {
  readonly element: HTMLElement;
  private zoom = h("output", { class: "readout", "aria-label": "Zoom" });
  private values = h("button", { class: "readout", type: "button", title: "Window in numbers" });

  constructor(
    private controls: ImageControls,
    session: SessionSpec,
  ) {
    const { viewer } = controls;
    const button = (text: string, title: string, run: () => void): HTMLButtonElement =>
      h("button", { class: "tool", type: "button", title, onclick: () => viewer.current().length && run() }, text);
    this.values.addEventListener("click", () => this.openNumbers());
    const presets = h("select", {
      class: "tool", "aria-label": "Window preset",
      onchange: (event: Event) => {
        const select = event.target as HTMLSelectElement;
        const [frame] = viewer.current();
        const preset = PRESETS.find((each) => each.name === select.value);
        if (frame && preset) viewer.setWindow(preset.of(frame));
        select.value = "";
        controls.context.stage.focus();
      },
    }, h("option", { value: "" }, "Window"), ...PRESETS.map(({ name }) => h("option", { value: name }, name)));
    const { form } = session;
    this.element = h("div", { class: "viewbar", role: "toolbar", "aria-label": "Image" },
      presets,
      button("Fit", "Whole image", () => viewer.setZoom("fit")),
      button("1:1", "One image pixel a screen pixel", () => viewer.setZoom(1)),
      button("2:1", "Two screen pixels an image pixel", () => viewer.setZoom(2)),
      button("Invert", "Invert", () => viewer.setWindow({ invert: !viewer.window.invert })),
      button("Loupe", "Magnifying glass", () => controls.loupe.set(!controls.loupe.on)),
      form.rotate_and_flip && button("Turn", "Turn clockwise", () =>
        viewer.treat({ ...viewer.treatment, turns: (viewer.treatment.turns + 1) % 4 })),
      form.rotate_and_flip && button("Mirror", "Mirror", () =>
        viewer.treat({ ...viewer.treatment, mirrored: !viewer.treatment.mirrored })),
      form.edge_filter && button("Edge", "Edge filter", () =>
        viewer.treat({ ...viewer.treatment, edge: viewer.treatment.edge ? 0 : 1 })),
      button("Reset", "Reset the view", () => viewer.resetView()),
      controls.regions.toolbar,
      h("span", { class: "spacer" }),
      this.zoom, this.values);
    viewer.onChange(() => this.update());
  }

  update(): void {
    const { viewer } = this.controls;
    const shown = viewer.current().length > 0;
    this.zoom.textContent = shown ? `${Math.round(viewer.state().scale * 100)} %` : "";
    const { centre, width } = viewer.window;
    this.values.textContent = shown ? `L ${Math.round(centre)}  W ${Math.round(width)}` : "";
  }

  openNumbers(): void {
    const { viewer } = this.controls;
    if (!viewer.current().length) return;
    const field = (label: string, value: number, set: (value: number) => void): HTMLElement =>
      h("label", { class: "number" }, label,
        h("input", {
          type: "number", value: String(Math.round(value)), autofocus: label === "Level",
          oninput: (event: Event) => {
            const given = (event.target as HTMLInputElement).valueAsNumber;
            if (!Number.isNaN(given)) set(given);
          },
          onkeydown: (event: KeyboardEvent) => {
            if (event.key === "Enter") this.controls.context.sheets.close();
          },
        }));
    this.controls.context.sheets.show({
      title: "Window",
      aside: true,
      closable: true,
      content: [
        h("p", { class: "quiet" }, `Values from 0 to ${2 ** viewer.bits - 1}.`),
        field("Level", viewer.window.centre, (centre) => viewer.setWindow({ centre })),
        field("Width", viewer.window.width, (width) => viewer.setWindow({ width })),
      ],
    });
  }
}
