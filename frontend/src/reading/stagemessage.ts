/** Words in the image's place: why there is none, and what is done about it. */
import { announce, h } from "./dom";
import type { Saving } from "./outbox";

/** Between two tries to load what the network did not bring. */
const RETRY_MS = 5000;

const SIGNED_OUT = "You have been signed out. Sign in again to go on; nothing is lost.";

export class StageMessage {
  readonly element = h("div", { class: "stage-message", role: "status" });
  private deed: (() => void) | null = null;
  private timer = 0;

  constructor() {
    addEventListener("online", () => this.deed?.());
  }

  say(text: string, ...more: HTMLElement[]): void {
    this.element.replaceChildren(...(text ? [h("p", {}, text), ...more] : []));
  }

  clear(): void {
    this.again(null);
    this.say("");
  }

  /** Tries again in a while, or as soon as the network is back; null for no more. */
  private again(deed: (() => void) | null): void {
    clearTimeout(this.timer);
    this.deed = deed;
    if (deed) this.timer = window.setTimeout(deed, RETRY_MS);
  }

  private button(text: string, deed: () => void, kind = "button"): HTMLButtonElement {
    return h("button", { class: kind, type: "button", onclick: deed }, text);
  }

  signedOut(signIn: HTMLElement, retry: () => void): void {
    this.say(SIGNED_OUT, h("p", { class: "row" }, signIn, this.button("Retry", retry)));
  }

  /** Everything that was loaded has been read; the queue says why nothing follows. */
  starved(status: Saving, signIn: () => HTMLElement): void {
    if (status === "waiting") {
      this.say("Waiting for the network. Your answers are kept in this browser; the next cases load when it is back.");
    } else if (status === "signed-out") this.say(SIGNED_OUT, signIn());
    else this.say("Saving");
  }

  /** The server does not say what comes next. */
  unreachable(retry: () => void): void {
    this.say("Waiting for the network.", this.button("Try again", retry));
    this.again(retry);
  }

  /** A frame was not shown: the network is gone, or the frame is bad. ``passing``: the server was in
   * trouble of its own, which may be over in a moment. */
  notShown(network: boolean, passing: boolean, retry: () => void, report: () => void): void {
    const words = network
      ? "Waiting for the network. The case comes by itself when it is back."
      : "Frame could not be shown. Retry, or report a technical problem.";
    announce(words);
    const again = this.button("Retry", retry, "button primary");
    this.say(words, h("p", { class: "row" }, again, this.button("Report and go on", report)));
    again.focus();
    this.again(network || passing ? retry : null);
  }
}
