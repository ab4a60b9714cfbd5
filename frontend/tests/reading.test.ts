/** Small rules of the reading room. */
import { describe, expect, it } from "vitest";
import { median, Pace } from "../src/reading/pace";
import { Marks, moved, thinned } from "../src/reading/regions/marks";
import { matches } from "../src/reading/terms";
import { emptyAnswer, type Point } from "../src/reading/types";

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
