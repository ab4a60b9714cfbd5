/** What the reading API speaks of. */

export interface Choice {
  value: string;
  label: string;
  key: string;
}

export interface Scale {
  title: string;
  low: number;
  high: number;
  lowest: string;
  highest: string;
}

export interface Question {
  key: string;
  text: string;
  kind: "choice" | "multiple-choice" | "number" | "text";
  options: string[];
  minimum: number | null;
  maximum: number | null;
  required: boolean;
}

export type RegionRule = "no" | "optional" | "required";

export interface FormSpec {
  judgment: Choice[];
  choice: number;
  choice_question: string;
  confidence: Scale | null;
  quality: Scale | null;
  findings: {
    terms: string[];
    normal: string;
    certainty: Scale | null;
    laterality: string[];
    region: RegionRule;
    required: boolean;
  } | null;
  cues: {
    title: string;
    when: string;
    terms: string[];
    region: RegionRule;
    required: boolean;
  } | null;
  comment: boolean;
  questions: Question[];
  rotate_and_flip: boolean;
  edge_filter: boolean;
  show_clock: boolean;
}

export type Point = [number, number];
export type ShapeType = "box" | "ellipse" | "point" | "polygon" | "arrow";

export interface Shape {
  id: string;
  type: ShapeType;
  points: Point[];
  /** The scan in a side-by-side presentation, from 1. */
  place: number;
  label: string;
}

export interface Region {
  version: 1;
  shapes: Shape[];
}

export interface FindingSaid {
  term: string;
  certainty: number | null;
  laterality: string;
  region: Region | null;
}

export interface CueSaid {
  term: string;
  region: Region | null;
}

export interface Answer {
  judgment: string;
  confidence: number | null;
  choice: number | null;
  quality: number | null;
  findings: FindingSaid[];
  cues: CueSaid[];
  comment: string;
  answers: Record<string, unknown>;
  regions: Region[];
}

export function emptyAnswer(): Answer {
  return {
    judgment: "", confidence: null, choice: null, quality: null,
    findings: [], cues: [], comment: "", answers: {}, regions: [],
  };
}

export interface Standing {
  revision: number;
  client_id: string;
  submitted: boolean;
  answer: Answer;
  timings: Record<string, unknown>;
  viewer: Record<string, unknown>;
}

export interface Item {
  id: string;
  number: number;
  practice: boolean;
  answered: boolean;
  failed: boolean;
  frames: string[];
  exposure_ms: number | null;
  standing: Standing | null;
}

export interface Progress {
  done: number;
  total: number;
  practice_done: number;
  practice_total: number;
}

export interface ReviewEntry {
  id: string;
  number: number;
  practice: boolean;
  failed: boolean;
}

export interface Listing {
  progress: Progress;
  items: Item[];
  review: ReviewEntry[];
}

export interface SessionSpec {
  id: string;
  number: number;
  sessions: number;
  title: string;
  task: string;
  alternatives: number;
  instructions: string;
  form: FormSpec;
  timed: boolean;
  mask: "grey" | "noise";
  /** Shown for ``between_ms`` before every case but the first. */
  between: "none" | "grey" | "noise";
  between_ms: number;
  break_every: number;
  may_revise: boolean;
  seconds_a_case: number;
  /** Seconds that this reader has taken for a case so far, once there are enough to say. */
  own_seconds_a_case: number | null;
  progress: Progress;
}

export type Stage =
  | "consent" | "profile" | "environment" | "instructions" | "reading" | "review" | "debriefing"
  | "washout" | "finished" | "closed" | "not-open" | "paused";

export interface RoomState extends Partial<Listing> {
  stage: Stage;
  title: string;
  reader: string;
  server_time: string;
  consent?: { version: string; text: string };
  questions?: Question[];
  opens_at?: string;
  score?: { right: number; counted: number } | null;
  session?: SessionSpec;
}

export interface Feedback {
  right: boolean | null;
  truth: string;
  findings: string[] | null;
}

export interface Recorded extends Partial<Listing> {
  revision: number;
  received_at: string;
  feedback: Feedback | null;
  stage: Stage;
}
