/** Small rules of the reading room. */
import { describe, expect, it } from "vitest";
import { median, Pace } from "../src/reading/pace";
import { CaseList } from "../src/reading/caselist";
import { lacking } from "../src/reading/completeness";
import { Marks, moved, thinned } from "../src/reading/regions/marks";
import { handleName, handleSpots, reshaped, upright } from "../src/reading/regions/shaping";
import type { Letter } from "../src/reading/store";
import { matches } from "../src/reading/terms";
import { emptyAnswer, type FormSpec, type Item, type Point, type RoomState } from "../src/reading/types";

describe("finding a term", () => {
  const terms = ["Atelectasis", "Effusion", "Pleural_Thickening", "Pneumonia", "Pneumothorax"];

  it("takes beginnings before insides", () => {
    expect(matches(terms, "th")).toEqual(["Pleural_Thickening", "Pneumothorax"]);
    expect(matches(terms, "pneumo")).toEqual(["Pneumonia", "Pneumothorax"]);
    expect(matches(terms, "xyz")).toEqual([]);
    expect(matches(terms, " ")).toEqual(terms);
  });
});

describe("regions", () => {
  const box: [Point, Point] = [[10, 10], [20, 30]];

  it("stay on the image in their own shape", () => {
    expect(moved(box, -50, 5, 100, 100)).toEqual([[0, 15], [10, 35]]);
    expect(moved(box, 500, 500, 100, 100)).toEqual([[90, 80], [100, 100]]);
  });

  it("are thinned to what bends", () => {
    const line: Point[] = Array.from({ length: 50 }, (_, i) => [i, 0]);
    expect(thinned([...line, [49, 30]], 1)).toEqual([[0, 0], [49, 0], [49, 30]]);
  });

  it("go with their finding, and come back when it does", () => {
    const marks = new Marks();
    const said = { term: "Mass", certainty: null, laterality: "", region: null };
    const answer = { ...emptyAnswer(), findings: [said] };
    marks.load(emptyAnswer());
    marks.remember();
    marks.list.push({ id: "a", type: "box", points: box, place: 1, label: "", owner: "findings", term: "Mass" });
    expect(marks.answer(answer).findings[0]!.region!.shapes).toHaveLength(1);
    expect(marks.answer(emptyAnswer()).findings).toEqual([]);
    expect(marks.speaking(emptyAnswer())).toEqual([]);
    expect(marks.speaking(answer)).toHaveLength(1);
    expect(marks.undo() && marks.list).toEqual([]);
    expect(marks.redo() && marks.list).toHaveLength(1);
    expect(marks.redo()).toBe(false);
  });
});

describe("time left", () => {
  it("is the study's plan until the reader has a pace", () => {
    const pace = new Pace(60);
    expect(pace.words(10)).toBe("Planned for about 10 minutes more.");
    for (const seconds of [10, 20, 30, 40, 500]) pace.add(1000 * seconds);
    expect(pace.words(10)).toBe("At your pace about 5 minutes left.");
    expect(pace.words(0)).toBe("");
  });

  it("goes by the median", () => expect(median([5, 1, 100, 2])).toBe(3.5));
});

describe("the corners of a region", () => {
  const box = { type: "box" as const };

  it("go round from the upper left, however the box was drawn", () => {
    const spots = handleSpots(box, upright(box, [[20, 30], [10, 5]]));
    expect(spots).toEqual([[10, 5], [20, 5], [20, 30], [10, 30]]);
    expect(spots.map((_, corner) => handleName(box, spots, corner))).toEqual([
      "Upper left corner", "Upper right corner", "Lower right corner", "Lower left corner",
    ]);
  });

  it("move with the opposite one held, and never leave a box without a side", () => {
    const points: Point[] = [[10, 5], [20, 30]];
    expect(reshaped(box, points, 1, [40, 1])).toEqual([[10, 30], [40, 1]]);
    expect(reshaped(box, points, 1, [10.5, 1])).toBeNull();
    const outline = { type: "polygon" as const };
    expect(reshaped(outline, [[0, 0], [9, 0], [9, 9]], 2, [5, 5])).toEqual([[0, 0], [9, 0], [5, 5]]);
  });
});

describe("what an answer lacks", () => {
  const form = {
    judgment: [{ value: "real", label: "Real", key: "r" }], choice: 0, choice_question: "",
    confidence: { title: "Confidence", low: 1, high: 6, lowest: "", highest: "" }, quality: null,
    findings: {
      terms: ["Pleural_Thickening"], normal: "No finding", required: true, laterality: [], region: "required",
      certainty: { title: "Certainty", low: 1, high: 5, lowest: "", highest: "" },
    },
    cues: { title: "Cues", terms: ["Texture"], when: "synthetic", required: true, region: "no" },
    questions: [], comment: true,
  } as unknown as FormSpec;

  it("is named part by part, in the reader's words", () => {
    const nothing = lacking(form, emptyAnswer(), ["Was it sharp?"]);
    expect(nothing.map((each) => each.words)).toEqual(
      ["judgment", "confidence", "findings or “No finding”", "“Was it sharp?”"]);
    const half = { ...emptyAnswer(), judgment: "synthetic", confidence: 2,
      findings: [{ term: "Pleural_Thickening", certainty: 9, laterality: "", region: null }] };
    expect(lacking(form, half, []).map((each) => each.words)).toEqual(
      ["certainty of Pleural Thickening", "region of Pleural Thickening", "cues"]);
  });

  it("is nothing when all is said", () => {
    const normal = { term: "No finding", certainty: null, laterality: "", region: null };
    expect(lacking(form, { ...emptyAnswer(), judgment: "real", confidence: 6, findings: [normal] }, [])).toEqual([]);
  });
});

describe("the list of cases", () => {
  const item = (id: string, practice = false): Item =>
    ({ id, number: 1, practice, answered: false, failed: false, frames: [], exposure_ms: null, standing: null });
  const letter = (presentation: string, practice = false): Letter =>
    ({ reader: "r", presentation, clientId: "c", kind: "readings", submitted: true, practice, body: {}, attempted: false });
  const state = {
    progress: { done: 3, total: 8, practice_done: 0, practice_total: 2 }, items: [item("a"), item("b")], review: [],
  } as unknown as RoomState;

  it("counts what is still to be sent as done", () => {
    const cases = new CaseList(state, () => [letter("a"), letter("p", true)]);
    expect(cases.progress()).toEqual({ done: 4, total: 8, practice_done: 1, practice_total: 2 });
    cases.resettle();
    expect(cases.waiting().map((each) => each.id)).toEqual(["b"]);
  });

  it("offers each break once, and none after the last case", () => {
    const unsent: Letter[] = [letter("a")];
    const cases = new CaseList(state, () => unsent);
    expect([cases.breakDue(0), cases.breakDue(4), cases.breakDue(4)]).toEqual([false, true, false]);
    unsent.push(...["b", "c", "d", "e"].map((id) => letter(id)));
    expect(cases.breakDue(4)).toBe(false);
  });
});
