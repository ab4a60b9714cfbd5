/** The answer form: judgment, confidence, findings, cues, comment, submit. */
import { announce, h, kbd } from "./dom";
import { lacking, type Lacking } from "./completeness";
import type { Keys } from "./keys";
import { panelActions, type Picked } from "./panelkeys";
import { TermPicker } from "./terms";
import { type Answer, emptyAnswer, type FormSpec, type Scale } from "./types";
import { QuestionFields } from "./questions";

export interface PanelEvents {
  changed(answer: Answer, what: string): void;
  submit(): void;
  mark(kind: "findings" | "cues", term: string): void;
  markPlaces(kind: "findings" | "cues", term: string): number;
}

const FADE_AFTER_MS = 250;

export class Panel {
  readonly element: HTMLElement;
  private answer: Answer = emptyAnswer();
  private enabled = false;
  private scrolled = false;
  private fading = 0;
  private fieldset: HTMLFieldSetElement;
  private submitButton: HTMLButtonElement;
  private needs: HTMLElement;
  private findings?: TermPicker;
  private cues?: TermPicker;
  private comment?: HTMLTextAreaElement;
  private questions?: QuestionFields;
  private radios = new Map<string, HTMLInputElement[]>();
  private ranges = new Map<string, HTMLInputElement>();

  constructor(
    readonly form: FormSpec,
    private keys: Keys,
    private events: PanelEvents,
  ) {
    this.submitButton = h(
      "button",
      { class: "button primary submit", type: "button", onclick: () => this.events.submit() },
      h("span", {}, "Submit"),
      h("kbd", { "aria-hidden": "true", "data-key-of": "submit" }, "Enter"),
    );
    this.needs = h("p", { class: "needs", id: "needs", "aria-live": "polite" });
    this.fieldset = h("fieldset", {
      class: "form", disabled: true, onscroll: () => (this.scrolled = true),
    }, ...this.sections());
    this.element = h(
      "form",
      {
        class: "panel",
        "aria-label": "Your reading",
        onsubmit: (event: Event) => event.preventDefault(),
      },
      this.fieldset,
      h("div", { class: "panel-end" }, this.needs, this.submitButton),
    );
    keys.remove("Answer");
    keys.define(panelActions(form, {
      enabled: () => this.enabled,
      pick: (name, value) => this.pick(name, value, true),
      slide: (name) => this.ranges.get(name)!.focus(),
      findings: () => this.findings!.open(),
      noFinding: () => this.findings!.toggle(form.findings!.normal),
      cues: () => !this.cues!.hidden && this.cues!.open(),
      comment: () => this.comment!.focus(),
      submit: () => this.events.submit(),
    }));
    this.showKeys();
    addEventListener("keys-changed", () => this.showKeys());
  }

  // -- Building -------------------------------------------------------------------------------------

  private sections(): HTMLElement[] {
    const { form } = this;
    const made: HTMLElement[] = [];
    if (form.judgment.length) {
      made.push(
        this.choices("judgment", "Judgment", form.judgment.map((each) => ({
          value: each.value, label: each.label, action: `judgment-${each.value}`,
        })), "judgment"),
      );
    }
    if (form.choice) {
      const values = Array.from({ length: form.choice }, (_, i) => String(i + 1));
      made.push(
        this.choices("choice", form.choice_question, values.map((value) => ({
          value, label: value, action: `choice-${value}`,
        })), "numbers"),
      );
    }
    if (form.confidence) made.push(this.scale("confidence", form.confidence));
    if (form.quality) made.push(this.scale("quality", form.quality));
    if (form.findings) {
      this.findings = new TermPicker({
        name: "findings", title: "Findings", terms: form.findings.terms,
        none: form.findings.normal, certainty: form.findings.certainty,
        sides: form.findings.laterality, region: form.findings.region,
        places: (term) => this.events.markPlaces("findings", term),
        mark: (term) => this.events.mark("findings", term),
        changed: (said) => {
          this.answer.findings = said.map((each) => ({
            term: each.term, certainty: each.certainty, laterality: each.laterality,
            region: this.answer.findings.find((old) => old.term === each.term)?.region ?? null,
          }));
          this.changed("findings");
        },
      });
      made.push(this.findings.element);
    }
    if (form.cues) {
      this.cues = new TermPicker({
        name: "cues", title: form.cues.title, terms: form.cues.terms, none: "",
        certainty: null, sides: [], region: form.cues.region,
        places: (term) => this.events.markPlaces("cues", term),
        mark: (term) => this.events.mark("cues", term),
        changed: (said) => {
          this.answer.cues = said.map((each) => ({
            term: each.term,
            region: this.answer.cues.find((old) => old.term === each.term)?.region ?? null,
          }));
          this.changed("cues");
        },
      });
      made.push(this.cues.element);
    }
    if (form.questions.length) {
      this.questions = new QuestionFields("own", form.questions, (answers) => {
        this.answer.answers = answers;
        this.changed("answers");
      });
      made.push(h("div", { class: "section questions" }, ...this.questions.elements));
    }
    if (form.comment) {
      this.comment = h("textarea", {
        id: "comment", "aria-label": "Comment", rows: 3, maxlength: 10000,
        oninput: () => {
          this.answer.comment = this.comment!.value;
          this.changed("comment");
        },
      });
      made.push(
        h("div", { class: "section" },
          h("label", { class: "legend", for: "comment" }, "Comment",
            h("kbd", { "aria-hidden": "true", "data-key-of": "comment" })),
          this.comment),
      );
    }
    return made;
  }

  private choices(
    name: Picked,
    title: string,
    options: { value: string; label: string; action: string }[],
    kind: string,
    ends?: [string, string],
  ): HTMLElement {
    const inputs: HTMLInputElement[] = [];
    const labels = options.map(({ value, label, action }) => {
      const input = h("input", {
        type: "radio", name, value, "aria-label": label,
        onchange: () => {
          this.pick(name, value);
          // Clicked, it gives the keys back to the image: an arrow key must not change the answer.
          if (!input.matches(":focus-visible")) document.querySelector<HTMLElement>(".stage")?.focus();
        },
      });
      inputs.push(input);
      return h("label", { class: "choice" }, input,
        h("span", { class: "mark", "aria-hidden": "true" }),
        h("span", { class: "label" }, label),
        h("kbd", { "aria-hidden": "true", "data-key-of": action }));
    });
    this.radios.set(name, inputs);
    return h(
      "fieldset",
      { class: `section choices ${kind}`, "data-section": name },
      h("legend", { class: "legend" }, title),
      h("div", { class: "options" }, ...labels),
      ends && h("div", { class: "ends", "aria-hidden": "true" },
        h("span", {}, ends[0]), h("span", {}, ends[1])),
    );
  }

  private scale(name: "confidence" | "quality", scale: Scale): HTMLElement {
    if (scale.high - scale.low <= 10) {
      const values = Array.from({ length: scale.high - scale.low + 1 }, (_, i) => scale.low + i);
      const section = this.choices(
        name, scale.title,
        values.map((value) => ({
          value: String(value),
          label: String(value),
          action: `${name}-${value}`,
        })),
        "numbers", [scale.lowest, scale.highest],
      );
      const inputs = this.radios.get(name)!;
      inputs[0]!.setAttribute("aria-label", `${scale.low}, ${scale.lowest}`);
      inputs[inputs.length - 1]!.setAttribute("aria-label", `${scale.high}, ${scale.highest}`);
      return section;
    }
    const shown = h("output", { for: name, class: "value" }, "–");
    const range = h("input", {
      type: "range", id: name, min: scale.low, max: scale.high, step: 1, class: "unset",
      value: String((scale.low + scale.high) / 2),
      oninput: () => this.pick(name, range.value),
      // A click on the handle where it stands is an answer too, though nothing moves.
      onpointerup: () => this.pick(name, range.value),
    });
    this.ranges.set(name, range);
    return h("div", { class: "section", "data-section": name },
      h("label", { class: "legend", for: name }, scale.title, shown,
        h("kbd", { "aria-hidden": "true", "data-key-of": `${name}-slide` })),
      range,
      h("div", { class: "ends", "aria-hidden": "true" },
        h("span", {}, scale.lowest), h("span", {}, scale.highest)));
  }

  // -- Keys -----------------------------------------------------------------------------------------

  private showKeys(): void {
    for (const mark of this.element.querySelectorAll<HTMLElement>("[data-key-of]")) {
      const key = this.keys.first(mark.dataset.keyOf!);
      mark.replaceChildren(...(key ? kbd(key).childNodes : []));
      // "1" needs no "1" below it.
      mark.hidden = !key || mark.previousElementSibling?.textContent === key;
    }
  }

  // -- Answering ------------------------------------------------------------------------------------

  private pick(name: Picked, value: string, say = false): void {
    if (!this.enabled) return;
    if (name === "judgment") this.answer.judgment = value;
    else this.answer[name] = Number(value);
    this.render();
    if (say) {
      const scale = name === "confidence" || name === "quality" ? this.form[name] : null;
      const label = this.form.judgment.find((each) => each.value === value)?.label;
      announce(scale ? `${scale.title} ${value} of ${scale.high}` : (label ?? `Number ${value}`));
    }
    this.changed(name);
  }

  private changed(what: string): void {
    this.needs.textContent = "";
    this.showCues();
    this.events.changed(this.answer, what);
  }

  choose(place: number): void {
    if (this.form.choice) this.pick("choice", String(place), true);
  }

  private showCues(): void {
    if (!this.cues) return;
    const wanted = !this.form.cues!.when || this.answer.judgment === this.form.cues!.when;
    this.cues.show(wanted);
    // What no longer applies is not sent.
    if (!wanted && this.answer.cues.length) {
      this.answer.cues = [];
      this.cues.load([]);
    }
  }

  private render(): void {
    for (const [name, inputs] of this.radios) {
      const value = this.answer[name as "judgment"];
      for (const input of inputs) input.checked = value !== null && input.value === String(value);
    }
    for (const [name, range] of this.ranges) {
      const value = this.answer[name as "confidence"];
      range.classList.toggle("unset", value === null);
      const scale = this.form[name as "confidence"]!;
      range.value = String(value ?? (scale.low + scale.high) / 2);
      range.setAttribute("aria-valuetext", value === null ? "not answered yet" : String(value));
      const output = this.element.querySelector(`output[for="${name}"]`);
      if (output) output.textContent = value === null ? "–" : String(value);
    }
  }

  /** Shows an answer, for another case or for the same one from elsewhere. */
  load(answer: Answer): void {
    this.answer = structuredClone(answer);
    this.findings?.load(this.answer.findings);
    this.cues?.load(this.answer.cues.map((each) => ({ ...each, certainty: null, laterality: "" })));
    if (this.comment) this.comment.value = this.answer.comment;
    this.questions?.load(this.answer.answers);
    this.needs.textContent = "";
    this.render();
    this.showCues();
    // Told by an event: to read the place or to set it anew would lay the page out each time.
    if (this.scrolled) this.fieldset.scrollTop = 0;
    this.scrolled = false;
  }

  value(): Answer {
    return structuredClone(this.answer);
  }

  /** Regions come from the image; everything else from the form. */
  setRegions(regions: Pick<Answer, "regions" | "findings" | "cues">): void {
    this.answer.regions = regions.regions;
    for (const said of this.answer.findings) {
      said.region = regions.findings.find((each) => each.term === said.term)?.region ?? null;
    }
    for (const said of this.answer.cues) {
      said.region = regions.cues.find((each) => each.term === said.term)?.region ?? null;
    }
    this.findings?.refresh();
    this.cues?.refresh();
  }

  /** Names a finding or cue that a region was drawn for. */
  ensure(kind: "findings" | "cues", term: string): void {
    (kind === "findings" ? this.findings : this.cues)?.ensure(term);
  }

  setEnabled(enabled: boolean): void {
    this.enabled = enabled;
    this.fieldset.disabled = !enabled;
    this.submitButton.disabled = !enabled;
    clearTimeout(this.fading);
    // It fades when there is something to wait for: between two cases nothing flickers.
    if (enabled) this.element.classList.remove("waiting");
    else this.fading = window.setTimeout(() => this.element.classList.add("waiting"), FADE_AFTER_MS);
  }

  get isEnabled(): boolean {
    return this.enabled;
  }

  /** What the form still needs before it can be submitted. */
  missing(): Lacking[] {
    const pickers = [this.findings, this.cues].filter((each) => each && !each.hidden);
    return [
      ...lacking(this.form, this.answer, this.questions?.missing() ?? []),
      ...pickers.flatMap((picker) => picker!.missing()),
    ];
  }

  /** Says what is missing and goes there. */
  point(missing: Lacking[]): void {
    const words = missing.map((each) => each.words);
    const text = `Still needed: ${words.join(", ")}.`;
    this.needs.textContent = text;
    announce(text);
    const section = this.element.querySelector(`[data-section="${missing[0]!.section}"]`);
    section?.scrollIntoView({ block: "nearest" });
    section?.querySelector<HTMLElement>("input, button, textarea")?.focus();
  }
}
