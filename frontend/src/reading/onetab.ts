/** One tab reads at a time. A second one may take over; the first then stops. */
import { h } from "./dom";
import type { Sheets } from "./overlay";

/**
 * Resolves once this tab may read. Where the browser has no locks (plain HTTP) every tab may, and
 * the server's revisions keep them apart.
 */
export async function onlyHere(study: string, sheets: Sheets): Promise<boolean> {
  if (!navigator.locks) return true;
  const name = `reading-room-${study}`;
  if (await take(name, { ifAvailable: true }, sheets)) return true;
  return new Promise((resolve) => {
    sheets.show({
      title: "Open in another tab",
      content: [
        h("p", {}, "The reading room is open in another tab or window of this browser. Read in one place only, so that no answer is given twice."),
        h("button", {
          class: "button primary", type: "button", autofocus: true,
          onclick: () => {
            sheets.close(false);
            void take(name, { steal: true }, sheets).then(resolve);
          },
        }, "Read here instead"),
      ],
    });
  });
}

function take(name: string, options: LockOptions, sheets: Sheets): Promise<boolean> {
  return new Promise((resolve) => {
    navigator.locks
      .request(name, options, (lock) => {
        resolve(lock !== null);
        // Held until the tab closes.
        return lock ? new Promise<void>(() => undefined) : undefined;
      })
      .catch(() => {
        // Another tab took over.
        dispatchEvent(new Event("room-taken"));
        sheets.show({
          title: "Reading goes on in another tab",
          content: [
            h("p", {}, "This tab has stopped. Its answers are kept and will be sent."),
            h("button", { class: "button", type: "button", autofocus: true, onclick: () => location.reload() }, "Read here again"),
          ],
        });
      });
  });
}
