/** All keys, and how to change them. */
import { announce, h, kbd } from "./dom";
import { bindingOf, type Keys } from "./keys";
import type { Sheets } from "./overlay";

const MOUSE: [string, string][] = [
  ["Drag", "Contrast (sideways) and brightness (up and down)"],
  ["Wheel, pinch", "Zoom where you point"],
  ["Right button, Shift drag, two fingers", "Move the image"],
  ["Double click, double tap", "Whole image / 1:1"],
  ["Shift wheel", "Contrast"],
];

export function helpSheet(sheets: Sheets, keys: Keys): void {
  let waiting: string | null = null;
  const body = h("div", { class: "help" });
  const hint = h("p", { class: "quiet", role: "status" }, "Press a key's name to change it.");

  const draw = (): void => {
    const groups = new Map<string, HTMLElement[]>();
    for (const action of keys.list()) {
      const button = h("button", {
        class: "key-change", type: "button", "data-action": action.id,
        "aria-label": `${action.title}: ${action.keys.join(" or ") || "no key"}. Change`,
        onclick: () => {
          waiting = action.id;
          hint.textContent = `Press the new key for “${action.title}”, or Escape to leave it.`;
          announce(hint.textContent);
          draw();
        },
      }, ...(waiting === action.id ? ["press a key"] : action.keys.length ? action.keys.slice(0, 1).map(kbd) : ["–"]));
      const line = h("li", {}, h("span", {}, action.title), button);
      groups.set(action.group, [...(groups.get(action.group) ?? []), line]);
    }
    body.replaceChildren(
      ...[...groups].map(([name, lines]) => h("section", {}, h("h3", {}, name), h("ul", {}, ...lines))),
      h("section", {}, h("h3", {}, "Mouse and touch"),
        h("dl", {}, ...MOUSE.flatMap(([how, what]) => [h("dt", {}, how), h("dd", {}, what)]))),
    );
    if (waiting) body.querySelector<HTMLElement>(`[data-action="${waiting}"]`)?.focus();
  };

  draw();
  sheets.show({
    title: "Keys",
    wide: true,
    closable: true,
    content: [
      hint, body,
      h("button", {
        class: "button plain restore", type: "button",
        onclick: () => {
          keys.restore();
          draw();
        },
      }, "Put all keys back"),
    ],
  });
  const before = keys.held;
  keys.held = (event) => {
    if (!waiting) {
      before?.(event);
      return;
    }
    const binding = bindingOf(event);
    if (!binding) return;
    event.preventDefault();
    event.stopPropagation();
    const action = waiting;
    waiting = null;
    if (event.key === "Escape") hint.textContent = "Left as it was.";
    else {
      const taken = keys.remap(action, binding);
      hint.textContent = taken
        ? `That key is “${taken.title}” already. Change that one first, or take another key.`
        : "Changed. It is remembered in this browser.";
    }
    announce(hint.textContent);
    draw();
    body.querySelector<HTMLElement>(`[data-action="${action}"]`)?.focus();
  };
}
