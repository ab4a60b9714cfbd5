/** Whether somebody is there: the page in sight, in focus, and in use. */

interface ActivityEvents {
  /** The page went out of sight or focus, or came back. */
  present(present: boolean): void;
  /** Something was pressed, moved or turned; ``deliberate``: more than a pointer passing by. */
  input(deliberate: boolean): void;
  /** The page may be gone in a moment. */
  leaving(): void;
  /** Another tab took over: this one neither sends nor changes anything any more. */
  taken(): void;
}

export function watchActivity(events: ActivityEvents): void {
  const present = (): void =>
    events.present(document.visibilityState !== "hidden" && document.hasFocus());
  document.addEventListener("visibilitychange", () => {
    present();
    if (document.visibilityState === "hidden") events.leaving();
  });
  addEventListener("blur", present);
  addEventListener("focus", present);
  addEventListener("pagehide", () => events.leaving());
  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "input"]) {
    addEventListener(kind, () => events.input(kind !== "pointermove"), { passive: true });
  }
  addEventListener("room-taken", () => events.taken());
}
