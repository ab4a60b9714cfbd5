/** What the parts of the regions know of each other. */
import type { ShapeType } from "../types";
import type { Mark, Marks, Owner } from "./marks";

export type Tool = ShapeType | "freehand";

/** A finding or a cue that a region marks; neither, when it is empty. */
export interface Target {
  owner: Owner;
  term: string;
}

export const NOTHING: Target = { owner: "", term: "" };

/** The regions as the bars see them. */
export interface RegionDesk {
  readonly marks: Marks;
  readonly tool: Tool | null;
  readonly selected: string | null;
  /** Whether there is an image. */
  readonly shown: boolean;
  owners(): Target[];
  setTool(tool: Tool | null): void;
  relabel(change: Partial<Pick<Mark, "label" | "owner" | "term">>): void;
  remove(): void;
  undo(): void;
  redo(): void;
  focusSelected(): void;
}
