/** Region tools for the mouse and the finger, and what the selected region is about. */
import { h } from "../dom";
import { icon, type Sign } from "../icons";
import type { RegionDesk, Tool } from "./tools";

const TOOLS: [Tool, string][] = [
  ["box", "Box"],
  ["ellipse", "Ellipse"],
  ["point", "Point"],
  ["polygon", "Outline, corner by corner"],
  ["freehand", "Outline, freehand"],
  ["arrow", "Arrow"],
];

export class RegionBar {
  /** In the bar under the image. */
  readonly element: HTMLElement;
  /** Over the image's foot, while a region is selected. */
  readonly about: HTMLElement;
  private tools: HTMLButtonElement[];
  private owner: HTMLSelectElement;
  private label: HTMLInputElement;

  constructor(private regions: RegionDesk) {
    const tool = (sign: Sign, title: string, action: string, run: () => void): HTMLButtonElement =>
      h("button", {
        class: "tool sign", type: "button", title, "aria-label": title, "data-key-title": action, onclick: run,
      }, icon(sign));
    this.tools = TOOLS.map(([name, title]) => {
      const button = tool(name, title, `draw-${name}`, () => regions.setTool(regions.tool === name ? null : name));
      button.setAttribute("aria-pressed", "false");
      return button;
    });
    this.element = h("span", { class: "region-bar", role: "group", "aria-label": "Regions" },
      ...this.tools,
      tool("undo", "Undo", "undo", () => regions.undo()),
      tool("redo", "Redo", "redo", () => regions.redo()));
    this.owner = h("select", {
      class: "tool", "aria-label": "What the region marks",
      onchange: () => {
        const [owner = "", ...term] = this.owner.value.split(":");
        regions.relabel({ owner: owner as "findings" | "cues" | "", term: term.join(":") });
      },
    });
    this.label = h("input", {
      class: "tool", type: "text", "aria-label": "Label of the region", placeholder: "Label",
      maxlength: 100,
      onchange: () => regions.relabel({ label: this.label.value }),
      onkeydown: (event: KeyboardEvent) => {
        // Ends the label, not the case.
        if (event.key !== "Enter" && event.key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        this.label.blur();
        regions.focusSelected();
      },
    });
    this.about = h("div", { class: "region-about", role: "group", "aria-label": "Selected region", hidden: true },
      this.owner, this.label,
      tool("delete", "Delete the region", "", () => regions.remove()));
  }

  update(): void {
    const { regions } = this;
    TOOLS.forEach(([name], index) =>
      this.tools[index]!.setAttribute("aria-pressed", String(regions.tool === name)));
    const mark = regions.marks.find(regions.selected);
    this.about.hidden = !mark || regions.tool !== null || !regions.shown;
    if (document.activeElement !== this.label) this.label.value = mark?.label ?? "";
    const options = [["", "No finding or cue"], ...regions.owners().map(({ owner, term }) =>
      [`${owner}:${term}`, term.replace(/_/g, " ")])];
    const key = options.map(([own]) => own).join("|");
    if (this.owner.dataset.options !== key) {
      this.owner.dataset.options = key;
      this.owner.replaceChildren(...options.map(([own, text]) => h("option", { value: own }, text!)));
    }
    this.owner.value = mark?.owner ? `${mark.owner}:${mark.term}` : "";
  }
}
