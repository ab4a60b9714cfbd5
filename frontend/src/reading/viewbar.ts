/** A quiet bar under the image: presets, zoom and tools for the mouse; the window in numbers. */
import { h, keyName } from "./dom";
import { icon, type Sign } from "./icons";
import type { ImageTools } from "./imagetools";
import { PRESETS } from "./viewer/windowing";
import { windowSheet } from "./windowsheet";

export class ViewBar {
  readonly element: HTMLElement;
  private values = h("button", { class: "readout", type: "button", title: "Window in numbers", "data-key-title": "numbers" });
  private pressed: [HTMLButtonElement, () => boolean][] = [];

  constructor(
    private tools: ImageTools,
  ) {
    const { viewer, loupe, form, stage } = tools;
    const text = (words: string, title: string, action: string, run: () => void): HTMLButtonElement =>
      h("button", {
        class: "tool", type: "button", title, "data-key-title": action,
        onclick: () => viewer.current().length && run(),
      }, words);
    const tool = (sign: Sign, title: string, action: string, run: () => void, on?: () => boolean): HTMLButtonElement => {
      const button = h("button", {
        class: "tool sign", type: "button", title, "aria-label": title, "data-key-title": action,
        onclick: () => viewer.current().length && run(),
      }, icon(sign));
      if (on) this.pressed.push([button, on]);
      return button;
    };
    this.values.addEventListener("click", () => windowSheet(tools));
    const presets = h("select", {
      class: "tool presets", "aria-label": "Window preset",
      onchange: (event: Event) => {
        const select = event.target as HTMLSelectElement;
        const [frame] = viewer.current();
        const preset = PRESETS.find((each) => each.name === select.value);
        if (frame && preset) viewer.setWindow(preset.of(frame));
        select.value = "";
        stage.focus();
      },
    }, h("option", { value: "" }, "Window"), ...PRESETS.map(({ name }) => h("option", { value: name }, name)));
    this.element = h("div", { class: "viewbar", role: "toolbar", "aria-label": "Image" },
      presets,
      text("Fit", "Whole image", "zoom-toggle", () => viewer.setZoom("fit")),
      text("1:1", "One image pixel a screen pixel", "zoom-toggle", () => viewer.setZoom(1)),
      text("2:1", "Two screen pixels an image pixel", "zoom-two", () => viewer.setZoom(2)),
      tool("invert", "Invert", "invert", () => viewer.setWindow({ invert: !viewer.window.invert }), () => viewer.window.invert),
      tool("loupe", "Magnifying glass", "loupe", () => loupe.set(!loupe.on), () => loupe.on),
      form.rotate_and_flip && tool("turn", "Turn clockwise", "rotate", () =>
        viewer.treat({ ...viewer.treatment, turns: (viewer.treatment.turns + 1) % 4 })),
      form.rotate_and_flip && tool("mirror", "Mirror", "mirror", () =>
        viewer.treat({ ...viewer.treatment, mirrored: !viewer.treatment.mirrored }), () => viewer.treatment.mirrored),
      form.edge_filter && tool("edge", "Edge filter", "edge", () =>
        viewer.treat({ ...viewer.treatment, edge: viewer.treatment.edge ? 0 : 1 }), () => viewer.treatment.edge > 0),
      tool("reset", "Reset the view", "reset", () => viewer.resetView()),
      tools.regionTools,
      this.values);
    viewer.onChange(() => this.update());
    loupe.toggled = () => this.update();
    addEventListener("keys-changed", () => this.titles());
    setTimeout(() => this.titles());
  }

  /** The key of each tool, in its title. */
  private titles(): void {
    for (const tool of this.element.querySelectorAll<HTMLElement>("[data-key-title]")) {
      const words = tool.title.replace(/ \(.*\)$/, "");
      const key = this.tools.keys.first(tool.dataset.keyTitle!);
      tool.title = key ? `${words} (${keyName(key)})` : words;
    }
  }

  update(): void {
    const { viewer } = this.tools;
    const shown = viewer.current().length > 0;
    const { centre, width } = viewer.window;
    this.values.textContent = shown
      ? `${Math.round(viewer.state().scale * 100)} %  L ${Math.round(centre)}  W ${Math.round(width)}` : "";
    for (const [button, on] of this.pressed) button.setAttribute("aria-pressed", String(shown && on()));
  }
}
