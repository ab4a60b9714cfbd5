/** A study's own questions: at each case, and once about the reader. */
import { h } from "./dom";
import type { Question } from "./types";

export class QuestionFields {
  readonly elements: HTMLElement[];
  private answers: Record<string, unknown> = {};
  private setters: Record<string, (value: unknown) => void> = {};

  constructor(
    private prefix: string,
    private questions: Question[],
    private changed: (answers: Record<string, unknown>) => void,
  ) {
    this.elements = questions.map((question) => this.field(question));
  }

  private set(key: string, value: unknown): void {
    this.answers[key] = value;
    this.changed({ ...this.answers });
  }

  private field(question: Question): HTMLElement {
    const id = `${this.prefix}-${question.key}`;
    const text = question.required ? question.text : `${question.text} (optional)`;
    if (question.kind === "choice" || question.kind === "multiple-choice") {
      const several = question.kind === "multiple-choice";
      const inputs = question.options.map((value) =>
        h("input", {
          type: several ? "checkbox" : "radio", name: id, value,
          onchange: () => {
            const chosen = inputs.filter((each) => each.checked).map((each) => each.value);
            this.set(question.key, several ? chosen : (chosen[0] ?? ""));
          },
        }),
      );
      this.setters[question.key] = (value) => {
        for (const input of inputs) {
          input.checked = Array.isArray(value) ? value.includes(input.value) : value === input.value;
        }
      };
      return h("fieldset", { class: "question", "data-section": "questions" },
        h("legend", {}, text),
        ...inputs.map((input) => h("label", { class: "choice line" }, input,
          h("span", { class: "mark", "aria-hidden": "true" }),
          h("span", { class: "label" }, input.value))));
    }
    const number = question.kind === "number";
    const input = h("input", {
      id, type: number ? "number" : "text", inputmode: number ? "decimal" : null, step: "any",
      min: question.minimum, max: question.maximum, maxlength: number ? null : 10000,
      oninput: () => {
        const value = number ? (input.value === "" ? null : input.valueAsNumber) : input.value;
        this.set(question.key, typeof value === "number" && Number.isNaN(value) ? null : value);
      },
    });
    this.setters[question.key] = (value) => (input.value = value == null ? "" : String(value));
    return h("div", { class: "question", "data-section": "questions" },
      h("label", { for: id }, text), input);
  }

  load(answers: Record<string, unknown>): void {
    this.answers = { ...answers };
    for (const question of this.questions) {
      this.setters[question.key]!(this.answers[question.key]);
    }
  }

  value(): Record<string, unknown> {
    return { ...this.answers };
  }

  missing(): string[] {
    return this.questions
      .filter((question) => {
        const value = this.answers[question.key];
        if (typeof value === "number") {
          return (
            (question.minimum !== null && value < question.minimum) ||
            (question.maximum !== null && value > question.maximum)
          );
        }
        const empty =
          value === undefined || value === null || value === "" ||
          (Array.isArray(value) && value.length === 0);
        return question.required && empty;
      })
      .map((question) => question.text + bounds(question));
  }
}

/** The rule that a number keeps, in words. */
function bounds({ kind, minimum, maximum }: Question): string {
  if (kind !== "number" || (minimum === null && maximum === null)) return "";
  if (minimum === null) return ` (at most ${maximum})`;
  return maximum === null ? ` (at least ${minimum})` : ` (${minimum} to ${maximum})`;
}
