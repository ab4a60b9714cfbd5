/** What the reader does to the image: mouse, finger and keys, and the sheets about it. */
import type { Lacking } from "./completeness";
import { h } from "./dom";
import { helpSheet } from "./help";
import { Hands } from "./hands";
import type { Keys } from "./keys";
import { Loupe } from "./loupe";
import type { Sheets } from "./overlay";
import type { Panel } from "./panel";
import { Pace } from "./pace";
import type { ImageTools } from "./imagetools";
import { Regions } from "./regions/regions";
import { ViewBar } from "./viewbar";
import type { Answer, Feedback, Item, ReviewEntry, SessionSpec } from "./types";
import { Summary } from "./summary";
import { imageActions } from "./actions";
import { feedbackSheet, pauseSheet, reviewSheet } from "./between";
import type { Viewer } from "./viewer/viewer";

export interface ControlsContext {
  viewer: Viewer;
  stage: HTMLElement;
  panel: Panel;
  keys: Keys;
  sheets: Sheets;
  session: SessionSpec;
  touched(): void;
  regionsChanged(): void;
  chosen(place: number): void;
}

export class ImageControls {
  readonly regions: Regions;
  readonly loupe: Loupe;
  private summaryOf: Summary;
  private pace: Pace;
  private bar: ViewBar;

  constructor(private context: ControlsContext) {
    const { viewer, stage, keys, session } = context;
    this.pace = new Pace(session.seconds_a_case, session.own_seconds_a_case);
    this.summaryOf = new Summary(viewer);
    this.regions = new Regions(viewer, stage, keys, {
      changed: () => context.regionsChanged(),
      visited: (id) => this.summaryOf.visited(id),
      named: (kind, term) => context.panel.ensure(kind, term),
    }, session.form);
    this.loupe = new Loupe(viewer, stage);
    new Hands(viewer, stage, this.regions, {
      chosen: (place) => session.form.choice > 0 && context.chosen(place),
      moved: (x, y) => this.loupe.move(x, y),
    });
    const tools: ImageTools = {
      viewer, loupe: this.loupe, keys, stage, sheets: context.sheets, form: session.form,
      regionTools: this.regions.toolbar, touched: () => context.touched(),
    };
    this.bar = new ViewBar(tools);
    stage.append(this.bar.element);
    keys.remove("Image");
    keys.define(imageActions(tools));
    keys.define([
      {
        id: "help", title: "This help", group: "Room", keys: ["Shift+?", "?", "F1"],
        run: () => this.help(),
      },
    ]);
    this.restorePanel();
  }

  get viewer(): Viewer {
    return this.context.viewer;
  }

  // -- Cases ----------------------------------------------------------------------------------------

  load(answer: Answer): void {
    this.summaryOf.start();
    this.loupe.set(false);
    this.regions.load(answer);
    this.bar.update();
  }

  /** Shows which of the images side by side is chosen. */
  choice(place: number | null): void {
    this.viewer.tileElements.forEach((tile, index) =>
      tile.classList.toggle("chosen", index + 1 === place));
  }

  ready(): void {
    this.regions.layout();
    this.bar.update();
  }

  summary(): Record<string, unknown> {
    return this.summaryOf.record();
  }

  leaveCase(activeMs: number): void {
    this.pace.add(activeMs);
    this.regions.setTool(null);
  }

  regionAnswer(): Pick<Answer, "regions" | "findings" | "cues"> {
    return this.regions.answer(this.context.panel.value());
  }

  /** A region that was begun is neither dropped without a word nor sent half drawn. */
  missing(): Lacking[] {
    const words = "an end to the region that was begun (Enter; Esc or its tool drops it)";
    return this.regions.unfinished ? [{ words, section: "regions" }] : [];
  }

  mark(kind: "findings" | "cues", term: string): void {
    this.regions.markFor(kind, term);
  }

  marks(kind: "findings" | "cues", term: string): number {
    return this.regions.count(kind, term);
  }

  // -- Timed showing --------------------------------------------------------------------------------

  /** Waits for the reader before a timed showing. */
  async timed(item: Item, show: () => Promise<void>): Promise<void> {
    const { session, sheets, viewer } = this.context;
    viewer.hide(session.mask);
    viewer.loader.load(item.frames[0]!).catch(() => undefined);
    await new Promise<void>((resolve) => {
      const start = (): void => {
        sheets.close(false);
        resolve();
      };
      sheets.show({
        title: "Ready?",
        aside: true,
        content: [
          h("p", {}, "The image is shown for a short time. Then you answer."),
          h("button", { class: "button primary", type: "button", autofocus: true, onclick: start },
            "Show", h("kbd", { "aria-hidden": "true" }, "Space")),
        ],
      });
    });
    await show();
  }

  // -- Sheets ---------------------------------------------------------------------------------------

  help(): void {
    if (!this.context.sheets.isOpen) helpSheet(this.context.sheets, this.context.keys);
  }

  /** ``every``: cases in a block, 0 for no blocks. */
  pauseSheet(title: string, done: number, total: number, every: number, resume: () => void): void {
    const blocks = every ? Math.ceil(total / every) : 0;
    const block = blocks > 1 && done % every === 0 && done > 0 ? `Block ${done / every} of ${blocks} is done. ` : "";
    const words = `${block}${done} of ${total} cases done. ${this.pace.words(total - done)}`;
    pauseSheet(this.context.sheets, title, words.trim(), resume);
  }

  reviewSheet(entries: ReviewEntry[], current: string | null, go: (id: string) => void, stay: () => void): void {
    reviewSheet(this.context.sheets, entries, current, go, stay);
  }

  feedback(item: Item, feedback: Feedback | null, go: () => void): void {
    feedbackSheet(this.context.sheets, item, feedback, go);
  }

  // -- Panel ----------------------------------------------------------------------------------------

  togglePanel(what: "side" | "hidden"): void {
    const room = document.querySelector<HTMLElement>("#room")!;
    const on = room.classList.toggle(what === "side" ? "panel-left" : "panel-hidden");
    this.viewer.fitCanvas();
    try {
      if (what === "side") localStorage.setItem("reading-panel", on ? "left" : "right");
    } catch {
      // Not kept, then.
    }
  }

  private restorePanel(): void {
    try {
      const left = localStorage.getItem("reading-panel") === "left";
      document.querySelector("#room")!.classList.toggle("panel-left", left);
      this.viewer.fitCanvas();
    } catch {
      // As delivered.
    }
  }
}
