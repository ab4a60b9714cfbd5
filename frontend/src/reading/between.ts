/** Sheets between the cases: pause, review, feedback on practice. */
import { h } from "./dom";
import type { Sheets } from "./overlay";
import type { Feedback, Item, ReviewEntry } from "./types";

export function pauseSheet(
  sheets: Sheets, title: string, words: string, resume: () => void,
): void {
  const go = (): void => {
    sheets.close(false);
    resume();
  };
  sheets.show({
    title,
    content: [
      h("p", {}, words),
      h("p", { class: "quiet" }, "Everything so far is kept. You can close this page and go on later, here or on another computer."),
      h("p", { class: "sheet-end" },
        h("button", { class: "button primary", type: "button", autofocus: true, onclick: go },
          "Go on", h("kbd", { "aria-hidden": "true" }, "Enter")),
        h("a", { class: "button", href: document.querySelector<HTMLElement>("#room")!.dataset.list! },
          "Leave the room")),
    ],
  });
}

export function reviewSheet(
  sheets: Sheets, entries: ReviewEntry[], current: string | null,
  go: (id: string) => void, stay: () => void,
): void {
  const counted = entries.filter((entry) => !entry.practice);
  sheets.show({
    title: "Earlier cases",
    closable: true,
    onclose: stay,
    content: [
      h("p", { class: "quiet" }, counted.length
        ? "You can change an answer until you finish the session."
        : "No case has been submitted yet."),
      h("ol", { class: "review-list" },
        ...counted.map((entry) => h("li", {},
          h("button", {
            class: "button", type: "button", "aria-current": entry.id === current ? "true" : null,
            onclick: () => {
              sheets.close(false);
              go(entry.id);
            },
          }, `Case ${entry.number}`)))),
    ],
  });
}

export function feedbackSheet(
  sheets: Sheets, item: Item, feedback: Feedback | null, go: () => void,
): void {
  const next = (): void => {
    sheets.close(false);
    go();
  };
  const lines: HTMLElement[] = [];
  if (!feedback) lines.push(h("p", {}, "The answer to this practice case appears when it has been saved."));
  else {
    if (feedback.truth) {
      const verdict = feedback.right === null ? "" : feedback.right ? "✓ Yes. " : "✗ No. ";
      lines.push(h("p", { class: "verdict" }, verdict, `This was: ${feedback.truth}.`));
    }
    if (feedback.findings) {
      const names = feedback.findings.map((name) => name.replace(/_/g, " ")).join(", ");
      lines.push(h("p", {}, names ? `Findings on record: ${names}.` : "No findings on record."));
    }
    if (!lines.length) lines.push(h("p", {}, "Thank you."));
  }
  sheets.show({
    title: `Practice case ${item.number}`,
    aside: true,
    content: [
      ...lines,
      h("p", { class: "sheet-end" },
        h("button", { class: "button primary", type: "button", autofocus: true, onclick: next },
          "Next", h("kbd", { "aria-hidden": "true" }, "Enter"))),
    ],
  });
}
