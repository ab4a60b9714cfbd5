/** What an answer still lacks before it can be submitted. */
import type { Answer, FormSpec } from "./types";

export interface Lacking {
  /** As the reader knows it. */
  words: string;
  /** The part of the form where it is said. */
  section: string;
}

/** ``questions``: the study's own ones that must be answered and are not. */
export function lacking(form: FormSpec, answer: Answer, questions: string[]): Lacking[] {
  const found: Lacking[] = [];
  const need = (condition: boolean, words: string, section: string): void => {
    if (condition) found.push({ words, section });
  };
  need(form.judgment.length > 0 && !answer.judgment, "judgment", "judgment");
  need(form.choice > 0 && answer.choice === null, "choice", "choice");
  need(form.confidence !== null && answer.confidence === null, "confidence", "confidence");
  need(form.quality !== null && answer.quality === null, "image quality", "quality");
  const { findings, cues } = form;
  if (findings) {
    const none = findings.normal ? ` or “${findings.normal}”` : "";
    need(findings.required && !answer.findings.length, `findings${none}`, "findings");
    for (const said of answer.findings) {
      if (said.term === findings.normal) continue;
      const { certainty } = findings;
      const term = said.term.replace(/_/g, " ");
      const sure = said.certainty;
      if (certainty) {
        const outside = sure === null || sure < certainty.low || sure > certainty.high;
        const range = certainty.high > 10 ? ` (${certainty.low} to ${certainty.high})` : "";
        need(outside, `certainty of ${term}${range}`, "findings");
      }
      need(findings.region === "required" && !said.region, `region of ${term}`, "findings");
    }
  }
  if (cues && (!cues.when || answer.judgment === cues.when)) {
    need(cues.required && !answer.cues.length, cues.title.toLowerCase(), "cues");
    for (const said of answer.cues) {
      need(cues.region === "required" && !said.region, `region of ${said.term.replace(/_/g, " ")}`, "cues");
    }
  }
  for (const question of questions) need(true, `“${question}”`, "questions");
  return found;
}
