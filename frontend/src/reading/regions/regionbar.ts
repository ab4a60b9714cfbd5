/** Region tools for the mouse, and what the selected region is about. */
import { h } from "../dom";
import type { Regions, Tool } from "./regions";

const TOOLS: [Tool, string, string][] = [
  ["box", "▭", "Box"],
  ["ellipse", "◯", "Ellipse"],
  ["point", "+", "Point"],
  ["polygon", "⬠", "Outline, corner by corner"],
  ["freehand", "✎", "Outline, freehand"],
  ["arrow", "↗", "Arrow"],
];

export class RegionBar {
  readonly element: HTMLElement;
  private tools: HTMLButtonElement[];
  private about: HTMLSelectElement;
  private label: HTMLInputElement;
  private delete: HTMLButtonElement;

  constructor(private regions: Regions) {
    const tool = (sign: string, title: string, run: () => void): HTMLButtonElement =>
      h("button", { class: "tool", type: "button", title, "aria-label": title, onclick: run },
        h("span", { "aria-hidden": "true" }, sign));
    this.tools = TOOLS.map(([name, sign, title]) => {
      const button = tool(sign, title, () => regions.setTool(regions.tool === name ? null : name));
      button.setAttribute("aria-pressed", "false");
      return button;
    });
    this.about = h("select", {
      class: "tool", "aria-label": "What the region marks", disabled: true,
      onchange: () => {
        const [owner = "", ...term] = this.about.value.split(":");
        regions.relabel({ owner: owner as "findings" | "cues" | "", term: term.join(":") });
      },
    });
    this.label = h("input", {
      class: "tool", type: "text", "aria-label": "Label of the region", placeholder: "Label",
      maxlength: 100, disabled: true,
      onchange: () => regions.relabel({ label: this.label.value }),
    });
    this.delete = tool("✕", "Delete the region", () => regions.remove());
    this.element = h("span", { class: "region-bar", role: "group", "aria-label": "Regions" },
      ...this.tools,
      tool("↶", "Undo", () => regions.undo()),
      tool("↷", "Redo", () => regions.redo()),
      this.about, this.label, this.delete);
  }

  update(): void {
    const { regions } = this;
    TOOLS.forEach(([name], index) =>
      this.tools[index]!.setAttribute("aria-pressed", String(regions.tool === name)));
    const mark = regions.marks.find(regions.selected);
    this.about.disabled = this.label.disabled = this.delete.disabled = !mark;
    if (document.activeElement !== this.label) this.label.value = mark?.label ?? "";
    const value = mark?.owner ? `${mark.owner}:${mark.term}` : "";
    const options = [["", "No finding or cue"], ...regions.owners().map(({ owner, term }) =>
      [`${owner}:${term}`, term.replace(/_/g, " ")])];
    const key = options.map(([own]) => own).join("|");
    if (this.about.dataset.options !== key) {
      this.about.dataset.options = key;
      this.about.replaceChildren(...options.map(([own, text]) => h("option", { value: own }, text!)));
    }
    this.about.value = value;
  }
}
