/** The thin line at the top: where am I, is it saved, pause. */
import { announce, h, kbd } from "./dom";
import type { Keys } from "./keys";
import { kept, type Saving } from "./outbox";
import type { Item, Progress, SessionSpec } from "./types";

interface HeaderEvents {
  pause(): void;
  help(): void;
  review(): void;
}

const ICONS: Record<Saving, string> = {
  saved: "✓", saving: "↑", waiting: "◌", "signed-out": "!", refused: "!",
};

export class Header {
  readonly element: HTMLElement;
  private place = h("span", { class: "place" });
  private bar = h("progress", { class: "line", "aria-label": "Cases done" });
  private state = h("span", { class: "saving" });
  private clock = h("span", { class: "clock" });
  private began = performance.now();
  private said: Saving | null = null;
  private shown = "";
  private signIn = document.querySelector<HTMLElement>("#room")!.dataset.signIn!;
  private list = document.querySelector<HTMLElement>("#room")!.dataset.list!;

  constructor(title: string, session: SessionSpec, private keys: Keys, events: HeaderEvents) {
    const button = (text: string, action: string, run: () => void): HTMLElement =>
      h("button", { class: "button plain", type: "button", onclick: run }, text,
        h("span", { "data-key": action }));
    this.element = h("header", { class: "top" },
      h("span", { class: "top-title" }, title),
      this.place,
      this.clock,
      this.state,
      session.may_revise && button("Earlier cases", "review", events.review),
      button("Keys", "help", events.help),
      button("Pause", "pause", events.pause),
      this.bar);
    this.clock.hidden = !session.form.show_clock;
    if (session.form.show_clock) setInterval(() => this.tick(), 1000);
    addEventListener("keys-changed", () => this.showKeys());
    setTimeout(() => this.showKeys());
  }

  private showKeys(): void {
    for (const mark of this.element.querySelectorAll<HTMLElement>("[data-key]")) {
      const key = this.keys.first(mark.dataset.key!);
      mark.replaceChildren(...(key ? [kbd(key)] : []));
    }
  }

  private tick(): void {
    const seconds = Math.floor((performance.now() - this.began) / 1000);
    const two = (value: number): string => String(value).padStart(2, "0");
    this.clock.textContent = `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  }

  progress(item: Item | null, progress: Progress, again: boolean): void {
    const practice = item?.practice ?? false;
    const total = practice ? progress.practice_total : progress.total;
    const number = item?.number ?? progress.done;
    const word = practice ? "Practice" : again ? "Again:" : "";
    this.place.textContent = `${word} ${number} of ${total}`.trim();
    this.bar.max = Math.max(1, total);
    this.bar.value = practice ? progress.practice_done : progress.done;
  }

  note(text: string): void {
    announce(text);
  }

  saving(saving: Saving, pending: number, reason: string, lasting: boolean): void {
    const waiting = kept(pending);
    const words: Record<Saving, string> = {
      saved: "Saved",
      saving: "Saving",
      waiting: reason || `Waiting for network${pending ? `, ${waiting}` : ""}`,
      "signed-out": `Signed out${pending ? `, ${waiting}` : ""}`,
      refused: `Not saved: ${reason}`,
    };
    const warn = !lasting && saving !== "saved" ? " (this page only: do not close it)" : "";
    const shown = `${saving} ${words[saving]}${warn}`;
    if (shown === this.shown) return;
    this.shown = shown;
    this.state.className = `saving ${saving}`;
    this.state.title = words[saving] + warn;
    this.state.replaceChildren(
      h("span", { class: "icon", "aria-hidden": "true" }, ICONS[saving]),
      h("span", { class: "words" }, words[saving] + warn),
    );
    if (saving === "signed-out") this.state.append(this.signInLink());
    // Each save would be chatter: only troubles, and their end, are said aloud.
    const trouble = saving === "waiting" || saving === "signed-out" || saving === "refused";
    const before = this.said;
    if (trouble && before !== saving) announce(words[saving]);
    if (saving === "saved" && before && before !== "saved") announce("Saved");
    if (trouble || saving === "saved") this.said = trouble ? saving : null;
  }

  signInLink(): HTMLElement {
    // In a tab of its own: this one keeps the case and what is not sent yet.
    return h("a", { class: "button", href: `${this.signIn}?next=${encodeURIComponent(this.list)}`, target: "_blank", rel: "noopener" },
      "Sign in again");
  }
}
