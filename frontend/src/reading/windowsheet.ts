/** The window in numbers. */
import { h } from "./dom";
import type { ImageTools } from "./imagetools";

export function windowSheet({ viewer, sheets }: ImageTools): void {
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
          if (event.key === "Enter") sheets.close();
        },
      }));
  sheets.show({
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
