/** Terms from a list: type a few letters, Enter takes the first match. */
import type { Lacking } from "./completeness";
import { announce, h } from "./dom";
import type { RegionRule, Scale } from "./types";

export interface TermSaid {
  term: string;
  certainty: number | null;
  laterality: string;
}

export interface TermPickerOptions {
  name: "findings" | "cues";
  title: string;
  terms: string[];
  /** The term that excludes all others ("No finding"), or nothing. */
  none: string;
  certainty: Scale | null;
  sides: string[];
  region: RegionRule;
  places(term: string): number;
  mark(term: string): void;
  changed(said: TermSaid[]): void;
}

const readable = (term: string): string => term.replace(/_/g, " ");

/** Matches whose words begin with what was typed come before those that merely contain it. */
export function matches(terms: string[], typed: string): string[] {
  const wanted = typed.trim().toLowerCase();
  if (!wanted) return terms;
  const rank = (term: string): number => {
    const name = readable(term).toLowerCase();
    if (name.startsWith(wanted)) return 0;
    if (name.split(/[\s/-]+/).some((word) => word.startsWith(wanted))) return 1;
    return name.includes(wanted) ? 2 : 3;
  };
  return terms
    .map((term) => ({ term, rank: rank(term) }))
    .filter((each) => each.rank < 3)
    .sort((a, b) => a.rank - b.rank)
    .map((each) => each.term);
}

export class TermPicker {
  readonly element: HTMLElement;
  private said: TermSaid[] = [];
  private input: HTMLInputElement;
  private options: HTMLElement;
  private rows: HTMLElement;
  private none?: HTMLButtonElement;
  private found: { kind: "side" | "term"; value: string }[] = [];
  private at = 0;
  hidden = false;

  constructor(private config: TermPickerOptions) {
    const { name, title } = config;
    const listId = `${name}-options`;
    this.input = h("input", {
      type: "text", id: `${name}-input`, role: "combobox", "aria-label": title, autocomplete: "off", spellcheck: "false",
      placeholder: "Type to find", "aria-autocomplete": "list", "aria-expanded": "false",
      "aria-controls": listId,
      oninput: () => this.filter(),
      onfocus: () => this.offer(),
      onclick: () => this.filter(),
      onblur: () => setTimeout(() => this.shut(), 120),
      onkeydown: (event: KeyboardEvent) => this.key(event),
    });
    this.options = h("ul", { id: listId, class: "options-list", role: "listbox", "aria-label": title, hidden: true });
    this.rows = h("ul", { class: "said", "aria-label": `${title}: chosen` });
    if (config.none) {
      this.none = h("button", {
        type: "button", class: "choice none", "aria-pressed": "false",
        onclick: () => this.toggle(config.none),
      },
        h("span", { class: "mark", "aria-hidden": "true" }),
        h("span", { class: "label" }, config.none),
        h("kbd", { "aria-hidden": "true", "data-key-of": "no-finding" }));
    }
    this.element = h("div", { class: `section terms ${name}`, "data-section": name },
      h("label", { class: "legend", for: `${name}-input` }, title,
        h("kbd", { "aria-hidden": "true", "data-key-of": name })),
      h("div", { class: config.none ? "picker with-none" : "picker" }, this.input, this.none, this.options),
      this.rows);
  }

  show(wanted: boolean): void {
    this.hidden = !wanted;
    // Kept in the layout, so that nothing below it moves.
    this.element.classList.toggle("not-asked", !wanted);
    this.element.inert = !wanted;
  }

  open(): void {
    this.input.focus();
    this.input.select();
  }

  load(said: TermSaid[]): void {
    this.said = said.map(({ term, certainty, laterality }) => ({ term, certainty, laterality }));
    this.input.value = "";
    this.refresh();
  }

  toggle(term: string): void {
    if (this.said.some((each) => each.term === term)) {
      this.said = this.said.filter((each) => each.term !== term);
      announce(`${readable(term)} removed`);
    } else {
      const alone = term === this.config.none;
      this.said = alone ? [] : this.said.filter((each) => each.term !== this.config.none);
      this.said.push({ term, certainty: null, laterality: "" });
      announce(`${readable(term)} added`);
    }
    this.refresh();
    this.config.changed(this.said);
  }

  ensure(term: string): void {
    if (!this.said.some((each) => each.term === term)) this.toggle(term);
  }

  /** Letters that were typed and left: whoever typed them may think that they are said. */
  missing(): Lacking[] {
    const { name } = this.config;
    const typed = this.input.value.trim();
    return typed ? [{ words: `a choice for “${typed}” (Enter takes the first match, Esc clears it)`, section: name }] : [];
  }

  // -- The list ---------------------------------------------------------------------------------------

  /** The finding that was named last: digits and sides typed now are about it. */
  private last(): TermSaid | undefined {
    const last = this.said.at(-1);
    return last && last.term !== this.config.none ? last : undefined;
  }

  /** Whether a digit is wanted next, to say how sure the last finding is. */
  private awaitsCertainty(): boolean {
    const { certainty } = this.config;
    return Boolean(certainty && certainty.high <= 10 && this.last()?.certainty === null);
  }

  /** Opens the list, but not over the digits that are asked for next. */
  private offer(): void {
    if (this.awaitsCertainty() && !this.input.value) this.shut();
    else this.filter();
  }

  private filter(): void {
    const typed = this.input.value.trim().toLowerCase();
    const last = this.last();
    const sides = last && !last.laterality && typed
      ? this.config.sides.filter((side) => side.startsWith(typed)) : [];
    this.found = [
      ...sides.map((value) => ({ kind: "side" as const, value })),
      ...matches(this.config.terms, this.input.value).map((value) => ({ kind: "term" as const, value })),
    ];
    this.at = 0;
    this.options.replaceChildren(
      ...this.found.map((option, index) => {
        const term = option.value;
        const chosen = option.kind === "term" && this.said.some((each) => each.term === term);
        return h("li", {
          role: "option", id: `${this.config.name}-option-${index}`,
          "aria-selected": String(index === this.at), class: chosen ? "chosen" : null,
          // Before the field loses its focus and the list closes.
          onpointerdown: (event: PointerEvent) => {
            event.preventDefault();
            this.take(option);
            // The list would cover what is asked next.
            this.leave();
          },
        }, option.kind === "side" ? `${readable(last!.term)}: ${term}` : readable(term), chosen && h("span", { class: "tick" }, " chosen"));
      }),
    );
    this.options.hidden = this.found.length === 0;
    this.input.setAttribute("aria-expanded", String(!this.options.hidden));
    this.point();
  }

  private point(): void {
    [...this.options.children].forEach((option, index) => {
      option.setAttribute("aria-selected", String(index === this.at));
      if (index === this.at) option.scrollIntoView({ block: "nearest" });
    });
    if (this.found.length) {
      this.input.setAttribute("aria-activedescendant", `${this.config.name}-option-${this.at}`);
    } else this.input.removeAttribute("aria-activedescendant");
  }

  private shut(): void {
    this.options.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  private take(option: { kind: "side" | "term"; value: string }): void {
    if (option.kind === "side") this.say({ laterality: option.value }, option.value);
    else this.toggle(option.value);
    this.input.value = "";
    this.offer();
  }

  /** Adds something to the finding that was named last. */
  private say(part: Partial<TermSaid>, words: string): void {
    const last = this.last();
    if (!last) return;
    this.said = this.said.map((each) => (each === last ? { ...each, ...part } : each));
    announce(`${readable(last.term)}: ${words}`);
    this.refresh();
    this.config.changed(this.said);
  }

  /** A digit in the empty field is how sure the reader is of the last finding. */
  private sure(key: string): boolean {
    const { certainty } = this.config;
    const value = Number(key);
    if (!certainty || certainty.high > 10 || this.input.value || !/^\d$/.test(key) || !this.last()) return false;
    if (value < certainty.low || value > certainty.high) return false;
    this.say({ certainty: value }, `${certainty.title.toLowerCase()} ${value} of ${certainty.high}`);
    return true;
  }

  private key(event: KeyboardEvent): void {
    // Enter, then, ends a word of Chinese, Japanese or Korean and takes nothing.
    if (event.isComposing) return;
    const moved = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (moved && this.options.hidden) this.filter();
    if (moved && this.found.length) {
      this.at = (this.at + moved + this.found.length) % this.found.length;
      this.point();
    } else if (event.key === "Enter" && !event.ctrlKey) {
      // An empty field has nothing to take: Enter then leaves it, and the next one submits.
      const walked = this.at > 0 && !this.options.hidden;
      if ((this.input.value.trim() || walked) && this.found[this.at]) this.take(this.found[this.at]!);
      else this.leave();
    } else if (event.key === "Escape") {
      this.input.value = "";
      this.leave();
    } else if (event.key === "Backspace" && !this.input.value && this.said.length) {
      this.toggle(this.said[this.said.length - 1]!.term);
      this.filter();
    } else if (this.sure(event.key)) this.shut();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private leave(): void {
    // Letters that named nothing are not left standing as if they had.
    this.input.value = "";
    this.shut();
    this.input.blur();
    document.querySelector<HTMLElement>(".stage")?.focus();
  }

  // -- What was chosen --------------------------------------------------------------------------------

  refresh(): void {
    const { none, certainty } = this.config;
    this.input.placeholder = certainty && this.awaitsCertainty()
      ? `${certainty.low} to ${certainty.high}: ${certainty.title.toLowerCase()}` : "Type to find";
    this.none?.setAttribute("aria-pressed", String(this.said.some((each) => each.term === none)));
    const wanted = this.said.filter((each) => each.term !== none);
    const before = new Map(
      [...this.rows.children].map((row) => [(row as HTMLElement).dataset.term!, row as HTMLElement]),
    );
    // Rows stay the same elements, so that focus is where it was.
    const rows = wanted.map((said) => {
      const row = before.get(said.term) ?? this.row(said.term);
      this.fill(row, said);
      return row;
    });
    for (const row of before.values()) if (!rows.includes(row)) row.remove();
    rows.forEach((row, index) => {
      if (this.rows.children[index] !== row) this.rows.insertBefore(row, this.rows.children[index] ?? null);
    });
  }

  private row(term: string): HTMLElement {
    const { config } = this;
    const name = readable(term);
    const change = (part: Partial<TermSaid>): void => {
      this.said = this.said.map((each) => (each.term === term ? { ...each, ...part } : each));
      this.refresh();
      config.changed(this.said);
    };
    const row = h("li", { class: "said-row", "data-term": term },
      h("span", { class: "said-term" }, name),
      config.region !== "no" &&
        h("button", { type: "button", class: "small mark-region", onclick: () => config.mark(term) }),
      h("button", {
        type: "button", class: "small remove", "aria-label": `Remove ${name}`, title: `Remove ${name}`,
        onclick: () => {
          this.toggle(term);
          this.open();
        },
      }, "✕"));
    if (config.certainty && config.certainty.high <= 10) {
      const { low, high, title, lowest, highest } = config.certainty;
      const values = Array.from({ length: high - low + 1 }, (_, i) => low + i);
      row.append(h("span", { class: "certainty", role: "radiogroup", "aria-label": `${title} of ${name}` },
        h("span", { class: "end" }, lowest),
        ...values.map((value) => h("label", {},
          h("input", {
            type: "radio", name: `certainty-${config.name}-${term}`, value: String(value),
            "aria-label": `${value} of ${high}`,
            onchange: () => change({ certainty: value }),
          }),
          h("span", { "aria-hidden": "true" }, String(value)))),
        h("span", { class: "end" }, highest)));
    } else if (config.certainty) {
      row.append(h("label", { class: "certainty-range" }, config.certainty.title,
        h("input", {
          type: "number", min: config.certainty.low, max: config.certainty.high, class: "certainty-number",
          oninput: (event: Event) => {
            const value = (event.target as HTMLInputElement).valueAsNumber;
            change({ certainty: Number.isNaN(value) ? null : value });
          },
        })));
    }
    if (config.sides.length) {
      row.append(h("select", {
        "aria-label": `Side of ${name}`,
        onchange: (event: Event) => change({ laterality: (event.target as HTMLSelectElement).value }),
      }, h("option", { value: "" }, "Side"), ...config.sides.map((side) => h("option", { value: side }, side))));
    }
    return row;
  }

  private fill(row: HTMLElement, said: TermSaid): void {
    const name = readable(said.term);
    const mark = row.querySelector<HTMLButtonElement>(".mark-region");
    if (mark) {
      const count = this.config.places(said.term);
      const text = count ? `${count} marked` : this.config.region === "required" ? "Mark (needed)" : "Mark";
      if (mark.textContent !== text) mark.textContent = text;
      mark.setAttribute("aria-label", `Mark ${name} on the image${count ? `, ${count} marked` : ""}`);
    }
    for (const radio of row.querySelectorAll<HTMLInputElement>(".certainty input")) {
      radio.checked = Number(radio.value) === said.certainty;
    }
    const number = row.querySelector<HTMLInputElement>(".certainty-number");
    if (number && document.activeElement !== number) number.value = said.certainty?.toString() ?? "";
    const side = row.querySelector("select");
    if (side) side.value = said.laterality;
  }
}
