/** Everything before, between and after the cases. */
import type { Api } from "./api";
import { announce, h, keyName } from "./dom";
import { environmentFields } from "./environment";
import { examples } from "./examples";
import type { Keys } from "./keys";
import type { Sheets } from "./overlay";
import { QuestionFields } from "./questions";
import type { RoomState } from "./types";

export interface StageContext {
  api: Api;
  sheets: Sheets;
  host: HTMLElement;
  keys: Keys;
  go(state?: RoomState): void;
  revisit(state: RoomState, id: string): Promise<void>;
  /** Whether the server has everything that was said. */
  settled(): Promise<boolean>;
}

export function stageSheet(context: StageContext, state: RoomState): void {
  const draw = STAGES[state.stage];
  if (draw) draw(context, state);
}

type Draw = (context: StageContext, state: RoomState) => void;

const STAGES: Partial<Record<RoomState["stage"], Draw>> = {
  consent, profile, environment, instructions, review, debriefing, washout, finished,
  closed: (context, state) => notice(context, state.title, "This study is closed. Thank you for reading."),
  "not-open": (context, state) => notice(context, state.title, "This study is not open for reading yet."),
  paused: (context, state) => notice(context, state.title, "The study's team has paused your reading. Ask them when you can go on."),
};

// -- Building blocks --------------------------------------------------------------------------------

/** A button that sends something, says when it cannot, and goes on. */
function sender(
  context: StageContext, text: string, path: string, body: () => unknown,
): { button: HTMLButtonElement; problem: HTMLElement } {
  const problem = h("p", { class: "needs", role: "alert" });
  const button = h("button", {
    class: "button primary", type: "button",
    onclick: async () => {
      const content = body();
      if (typeof content === "string") {
        problem.textContent = content;
        return;
      }
      button.disabled = true;
      problem.textContent = "";
      try {
        if (path === "/finish" && !(await context.settled())) {
          button.disabled = false;
          problem.textContent = "Some answers are still on their way. Please try again in a moment.";
          return;
        }
        context.go(await context.api.call<RoomState>("POST", path, content));
      } catch (error) {
        button.disabled = false;
        const status = (error as { status?: number }).status;
        problem.textContent = status ? (error as Error).message : "The server cannot be reached. Please try again.";
      }
    },
  }, text);
  return { button, problem };
}

const list = (): string => document.querySelector<HTMLElement>("#room")!.dataset.list!;
const later = (): HTMLElement => h("a", { class: "button", href: list() }, "Not now");

function paragraphs(text: string): HTMLElement[] {
  return text.split(/\n\s*\n/).filter((part) => part.trim()).map((part) => h("p", { class: "prose" }, part.trim()));
}

function notice(context: StageContext, title: string, text: string): void {
  context.sheets.show({
    title,
    content: [h("p", {}, text), h("p", { class: "sheet-end" }, h("a", { class: "button primary", href: list(), autofocus: true }, "My readings"))],
  });
}

// -- Before -------------------------------------------------------------------------------------------

function consent(context: StageContext, state: RoomState): void {
  const asked = state.consent!;
  const agree = h("input", { type: "checkbox", id: "agree", onchange: () => (button.disabled = !agree.checked) });
  const { button, problem } = sender(context, "Go on", "/consent", () => ({ version: asked.version }));
  button.disabled = true;
  context.sheets.show({
    title: state.title,
    content: [
      ...paragraphs(asked.text),
      h("label", { class: "choice line" }, agree, h("span", { class: "mark", "aria-hidden": "true" }),
        h("span", { class: "label" }, "I have read this and agree to take part.")),
      problem,
      h("p", { class: "sheet-end" }, button, later()),
    ],
  });
}

function profile(context: StageContext, state: RoomState): void {
  const fields = new QuestionFields("profile", state.questions!, () => undefined);
  fields.load({});
  const { button, problem } = sender(context, "Go on", "/profile", () => {
    const missing = fields.missing();
    return missing.length ? `Still needed: ${missing.map((text) => `“${text}”`).join(", ")}.` : { answers: fields.value() };
  });
  context.sheets.show({
    title: "About you",
    content: [
      h("p", { class: "quiet" }, "Asked once. It is kept under your pseudonym."),
      ...fields.elements, problem, h("p", { class: "sheet-end" }, button, later()),
    ],
  });
}

function environment(context: StageContext, state: RoomState): void {
  const fields = environmentFields();
  const { button, problem } = sender(context, "Go on", "/environment", () => {
    const record = fields.record();
    return typeof record === "string" ? record : { record };
  });
  context.sheets.show({
    title: "Where you read",
    wide: true,
    content: [
      h("p", { class: "quiet" }, `${state.session!.sessions > 1 ? "At the start of each session. " : ""}Dim the room if you can, and use the screen that you will read on.`),
      ...fields.elements, problem, h("p", { class: "sheet-end" }, button, later()),
    ],
  });
}

function instructions(context: StageContext, state: RoomState): void {
  const session = state.session!;
  const { progress, form } = session;
  const { button, problem } = sender(context, progress.practice_total ? "Begin with practice" : "Begin", "/begin", () => ({}));
  const steps: string[] = ["Look at the image. Drag over it to change contrast and brightness, turn the wheel or pinch to zoom."];
  if (form.judgment.length) {
    const key = (value: string, usual: string): string => keyName(context.keys.firstOr(`judgment-${value}`, usual));
    steps.push(`Say ${form.judgment.map((each) => `${each.label.toLowerCase()} (${key(each.value, each.key)})`).join(" or ")}.`);
  }
  if (form.choice) steps.push(`${form.choice_question} Press its number, or click on it.`);
  if (form.confidence) {
    steps.push(form.confidence.high <= 10
      ? `Say how sure you are, from ${form.confidence.low} to ${form.confidence.high}.`
      : "Say how sure you are on the slider.");
  }
  if (form.quality) steps.push(`Rate the image quality, ${form.quality.lowest.toLowerCase()} to ${form.quality.highest.toLowerCase()}.`);
  if (form.findings) {
    const { certainty, laterality, normal } = form.findings;
    const find = keyName(context.keys.firstOr("findings", "f"));
    const none = keyName(context.keys.firstOr("no-finding", "d"));
    const sure = certainty && certainty.high <= 10 ? ` A digit then says how certain it is, ${certainty.low} to ${certainty.high}.` : "";
    const side = laterality.length ? ` L, R, B or M and Enter say its side.` : "";
    steps.push(`Name what you find: ${find}, a few letters, Enter.${sure}${side}${normal ? ` ${none} means “${normal}”.` : ""}`);
  }
  if (form.cues) steps.push(`Name what gave the impression: ${keyName(context.keys.firstOr("cues", "c"))}, a few letters, Enter.`);
  if (progress.practice_total && (form.judgment.length || form.choice || form.findings)) {
    steps.push(`After each practice case you see ${form.judgment.length || form.choice ? "what it was" : "the findings on record"}.`);
  }
  steps.push("Enter submits and brings the next case. The question mark shows all keys; each can be changed.");
  const parts = session.sessions > 1 ? `Session ${session.number} of ${session.sessions}. ` : "";
  const cases = (count: number, word = ""): string => `${count} ${word}case${count === 1 ? "" : "s"}`;
  const practice = progress.practice_total ? `${cases(progress.practice_total, "practice ")}, then ` : "";
  const minutes = Math.max(1, Math.round((session.seconds_a_case * progress.total) / 60));
  context.sheets.show({
    title: session.title || state.title,
    content: [
      h("p", {}, `${parts}${practice}${cases(progress.total)}, planned for about ${minutes} minute${minutes === 1 ? "" : "s"}.`),
      ...paragraphs(session.instructions),
      h("ol", { class: "steps" }, ...steps.map((step) => h("li", {}, step))),
      h("h3", {}, "For example"),
      h("dl", { class: "examples" }, ...examples(form, context.keys).flatMap(({ keys, words }) => [
        h("dt", {}, ...keys.flatMap((key) => [h("kbd", {}, key), " "])), h("dd", {}, `says: ${words}. Next case.`)])),
      session.timed && h("p", {}, "Each image is shown for a short time only."),
      h("p", { class: "quiet" }, session.may_revise
        ? "Every answer is kept at once. You can stop at any time, go on elsewhere, and change answers until you finish the session."
        : "Every answer is kept at once. You can stop at any time and go on elsewhere. A submitted answer is final."),
      problem,
      h("p", { class: "sheet-end" }, button, later()),
    ].filter(Boolean) as Node[],
  });
  button.focus();
}

// -- Between and after ----------------------------------------------------------------------------------

function review(context: StageContext, state: RoomState): void {
  const session = state.session!;
  const counted = (state.review ?? []).filter((entry) => !entry.practice && !entry.failed);
  const failed = (state.review ?? []).filter((entry) => !entry.practice && entry.failed);
  const { button, problem } = sender(context, "Finish", "/finish", () => ({ number: session.number }));
  const content: Node[] = [
    h("p", {}, `All ${session.progress.total} cases of this session are done.`),
    session.may_revise
      ? h("p", {}, "Look at any of them again, or finish. After finishing, the answers stand as they are.")
      : h("p", {}, "Thank you. Finish to hand the session in."),
  ];
  if (session.may_revise && counted.length) {
    content.push(h("ol", { class: "review-list" },
      ...counted.map((entry) => h("li", {},
        h("button", { class: "button", type: "button", onclick: () => void context.revisit(state, entry.id) }, `Case ${entry.number}`)))));
  }
  if (failed.length) {
    content.push(h("p", { class: "quiet" }, `Could not be shown: ${failed.map((entry) => `case ${entry.number}`).join(", ")}.`));
  }
  context.sheets.show({
    title: "All cases done",
    content: [...content, problem, h("p", { class: "sheet-end" }, button, h("a", { class: "button", href: list() }, "Later"))],
  });
  button.focus();
}

function debriefing(context: StageContext, _state: RoomState): void {
  let noticed: boolean | null = null;
  const choice = (value: boolean, text: string): HTMLElement =>
    h("label", { class: "choice line" },
      h("input", { type: "radio", name: "noticed", onchange: () => (noticed = value) }),
      h("span", { class: "mark", "aria-hidden": "true" }), h("span", { class: "label" }, text));
  const remark = h("textarea", { id: "remark", rows: 4, maxlength: 10000 });
  const { button, problem } = sender(context, "Go on", "/debriefing", () =>
    noticed === null ? "Please answer yes or no." : { noticed, remark: remark.value });
  context.sheets.show({
    title: "Before you go on",
    content: [
      h("fieldset", { class: "question" },
        h("legend", {}, "Did you notice anything unusual about the images that you have read?"),
        choice(true, "Yes"), choice(false, "No")),
      h("div", { class: "question" }, h("label", { for: "remark" }, "What was it? (optional)"), remark),
      problem, h("p", { class: "sheet-end" }, button),
    ],
  });
}

function washout(context: StageContext, state: RoomState): void {
  const opens = new Date(state.opens_at!);
  const when = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "short" }).format(opens);
  notice(context, "Session finished", `Thank you. The next session opens on ${when}. The break between sessions is part of the study.`);
}

function finished(context: StageContext, state: RoomState): void {
  const { score } = state;
  const text = score
    ? `You judged ${score.right} of ${score.counted} cases correctly (${Math.round((100 * score.right) / score.counted)} %).`
    : "";
  announce("All done. Thank you.");
  context.sheets.show({
    title: "All done",
    content: [
      h("p", {}, "Thank you for reading. Everything you said has been saved."),
      text && h("p", { class: "verdict" }, text),
      h("p", { class: "sheet-end" }, h("a", { class: "button primary", href: list(), autofocus: true }, "My readings")),
    ].filter(Boolean) as Node[],
  });
}
