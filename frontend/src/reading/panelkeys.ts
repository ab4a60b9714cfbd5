/** Keys for the answer: one hand says everything. */
import type { Action } from "./keys";
import type { FormSpec } from "./types";

export type Picked = "judgment" | "choice" | "confidence" | "quality";

interface Deeds {
  enabled(): boolean;
  pick(name: Picked, value: string): void;
  slide(name: Picked): void;
  findings(): void;
  noFinding(): void;
  cues(): void;
  comment(): void;
  submit(): void;
}

export function panelActions(form: FormSpec, deeds: Deeds): Action[] {
  const group = "Answer";
  const actions: Action[] = [];
  const act = (id: string, title: string, keys: string[], run: () => void): void => {
    actions.push({ id, title, group, keys, run: () => deeds.enabled() && run() });
  };
  for (const { value, label, key } of form.judgment) {
    act(`judgment-${value}`, label, [key], () => deeds.pick("judgment", value));
  }
  for (let place = 1; place <= form.choice; place++) {
    const key = place <= 9 ? [String(place)] : place === 10 ? ["0"] : [];
    act(`choice-${place}`, `Choose number ${place}`, key, () => deeds.pick("choice", String(place)));
  }
  let digitsFree = form.choice === 0;
  for (const name of ["confidence", "quality"] as const) {
    const scale = form[name];
    if (!scale) continue;
    if (scale.high - scale.low <= 10) {
      for (let value = scale.low; value <= scale.high; value++) {
        const key = digitsFree ? String(value) : `Shift+Digit${value}`;
        act(`${name}-${value}`, `${scale.title} ${value}`, [key], () => deeds.pick(name, String(value)));
      }
    } else {
      act(`${name}-slide`, `${scale.title}: go to the slider`, [name[0] === "c" ? "v" : "Shift+V"],
        () => deeds.slide(name));
    }
    digitsFree = false;
  }
  if (form.findings) {
    const { normal } = form.findings;
    act("findings", "Find a finding", ["f"], deeds.findings);
    if (normal) act("no-finding", normal, ["d"], deeds.noFinding);
  }
  if (form.cues) act("cues", form.cues.title, ["c"], deeds.cues);
  if (form.comment) act("comment", "Comment", ["t"], deeds.comment);
  actions.push({
    id: "submit", title: "Submit, next case", group, keys: ["Enter", "Control+Enter"], always: true,
    // Enter does what a focused button says, and makes a new line in a text.
    unless: ({ target, ctrlKey }) =>
      !ctrlKey &&
      (target instanceof HTMLButtonElement || target instanceof HTMLAnchorElement ||
        target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement),
    run: deeds.submit,
  });
  return actions;
}
