/** Sheets over the room: one at a time, focus kept inside, left by Escape where that is allowed. */
import { h } from "./dom";
import type { Keys } from "./keys";

export interface SheetOptions {
  title: string;
  content: (Node | string)[];
  /** Escape and the close button; without it the sheet stays until its own buttons end it. */
  closable?: boolean;
  onclose?: () => void;
  wide?: boolean;
  /** Keys while the sheet is open. */
  onkey?: (event: KeyboardEvent) => void;
  /** The image stays visible beside it. */
  aside?: boolean;
}

export class Sheets {
  private open: { element: HTMLElement; options: SheetOptions; back: Element | null } | null = null;

  constructor(
    private host: HTMLElement,
    private keys: Keys,
  ) {}

  get isOpen(): boolean {
    return this.open !== null;
  }

  show(options: SheetOptions): HTMLElement {
    this.close(false);
    const heading = h("h2", { id: "sheet-title", tabindex: -1 }, options.title);
    const sheet = h(
      "div",
      {
        class: `sheet${options.wide ? " wide" : ""}`,
        role: "dialog",
        "aria-modal": "true",
        "aria-labelledby": "sheet-title",
      },
      heading,
      ...options.content,
      options.closable &&
        h("p", { class: "sheet-end" },
          h("button", { class: "button", type: "button", onclick: () => this.close() },
            "Close", h("kbd", { "aria-hidden": "true" }, "Esc"))),
    );
    const element = h("div", { class: `cover${options.aside ? " aside" : ""}` }, sheet);
    this.host.append(element);
    this.open = { element, options, back: document.activeElement };
    for (const sibling of this.host.children) {
      if (sibling !== element) (sibling as HTMLElement).inert = true;
    }
    this.keys.held = (event) => {
      if (event.key === "Escape" && options.closable) {
        event.preventDefault();
        this.close();
      } else options.onkey?.(event);
    };
    (sheet.querySelector<HTMLElement>("[autofocus]") ?? heading).focus();
    return sheet;
  }

  close(tell = true): void {
    const open = this.open;
    if (!open) return;
    this.open = null;
    open.element.remove();
    for (const sibling of this.host.children) (sibling as HTMLElement).inert = false;
    this.keys.held = null;
    if (open.back instanceof HTMLElement && open.back.isConnected) open.back.focus();
    if (tell) open.options.onclose?.();
  }
}
