/** Two cases read by keyboard, as the instructions show them: the form's own words and keys. */
import { keyName } from "./dom";
import type { Keys } from "./keys";
import type { FormSpec } from "./types";

export interface Example {
  keys: string[];
  words: string;
}

/** An unremarkable case, and one with everything that the form can take. */
export function examples(form: FormSpec, keys: Keys): Example[] {
  const plain = new Case(form, keys);
  const full = new Case(form, keys);
  plain.judge(0);
  full.judge(form.judgment.length - 1);
  plain.rate(0.75);
  full.rate(0.25);
  if (form.findings?.normal) plain.press("no-finding", "d", form.findings.normal.toLowerCase());
  if (form.findings) full.name("findings", "f", form.findings.terms, form.findings.certainty?.high ?? 0);
  if (form.cues) full.name("cues", "c", form.cues.terms, 0);
  const shown = [plain.end(), full.end()];
  return shown[0]!.words === shown[1]!.words ? shown.slice(0, 1) : shown;
}

class Case {
  private keys: string[] = [];
  private words: string[] = [];

  constructor(
    private form: FormSpec,
    private bound: Keys,
  ) {}

  press(action: string, usual: string, words: string): void {
    this.keys.push(keyName(this.bound.firstOr(action, usual)));
    this.words.push(words);
  }

  judge(which: number): void {
    const { form } = this;
    const judgment = form.judgment[which];
    if (judgment) this.press(`judgment-${judgment.value}`, judgment.key, judgment.label.toLowerCase());
    else if (form.choice) this.press("choice-2", "2", "number 2");
  }

  /** A value ``share`` of the way up each scale that has keys. */
  rate(share: number): void {
    const { form } = this;
    let free = form.choice === 0;
    for (const name of ["confidence", "quality"] as const) {
      const scale = form[name];
      if (!scale) continue;
      if (scale.high - scale.low <= 10) {
        const value = scale.low + Math.round(share * (scale.high - scale.low));
        this.press(`${name}-${value}`, free ? String(value) : `Shift+Digit${value}`,
          `${name === "confidence" ? "confidence" : "quality"} ${value} of ${scale.high}`);
      }
      free = false;
    }
  }

  name(action: string, usual: string, terms: string[], certainty: number): void {
    const term = terms.find((each) => /^[a-z]{4}/i.test(each));
    if (!term) return;
    const readable = term.replace(/_/g, " ").toLowerCase();
    this.press(action, usual, readable);
    this.keys.push(readable.slice(0, 3), "Enter");
    if (certainty && certainty <= 10) {
      this.keys.push(String(certainty));
      this.words.push(`certainty ${certainty} of ${certainty}`);
    }
    this.keys.push("Enter");
  }

  end(): Example {
    this.keys.push("Enter");
    return { keys: this.keys, words: this.words.join(", ") };
  }
}
