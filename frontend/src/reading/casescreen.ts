/** The case on the screen: shown, masked, timed, failed; and whether it may be answered. */
import type { ImageControls } from "./controls";
import { announce } from "./dom";
import type { Drafting } from "./drafting";
import { expose, type Showing } from "./exposure";
import type { Panel } from "./panel";
import type { StageMessage } from "./stagemessage";
import { Timing } from "./timing";
import type { Item, SessionSpec } from "./types";
import type { FrameError } from "./viewer/loader";
import type { Painted, Viewer } from "./viewer/viewer";

/** Before it is said that a case is being loaded. */
const SLOW_MS = 400;

const RESET = "The graphics card was reset. The image comes back by itself.";

interface Parts {
  viewer: Viewer;
  panel: Panel;
  controls: ImageControls;
  message: StageMessage;
  session: SessionSpec;
  drafting(): Drafting;
}

interface ScreenEvents {
  /** This case will be shown in a moment. */
  turnedTo(item: Item): void;
  /** It is there, or was: what follows may be loaded. */
  shown(item: Item): void;
  signedOut(retry: () => void): void;
  reported(item: Item, error: unknown): void;
  /** How many cases there are of its kind. */
  total(item: Item): number;
}

export class CaseScreen {
  item: Item | null = null;
  timing = new Timing();
  /** Counts what was put on the screen: whatever belongs to an earlier one is out of date. */
  visit = 0;
  /** Presentation id whose image is truly on the screen now. */
  private onScreen: string | null = null;
  private showing: Showing | null = null;
  /** While the drawing context is lost: the case that could be answered until then. */
  private gone: { screen: string | null; again?: Item } | null = null;

  constructor(
    private parts: Parts,
    private events: ScreenEvents,
  ) {
    parts.viewer.onChange((change) => this.viewChanged(change));
  }

  /** The case that may be answered now: its image has truly been seen. */
  get answerable(): Item | null {
    return this.item && this.onScreen === this.item.id ? this.item : null;
  }

  get anythingShown(): boolean {
    return this.onScreen !== null;
  }

  async show(item: Item): Promise<void> {
    const { panel, controls, message } = this.parts;
    const drafting = this.parts.drafting();
    drafting.flush();
    this.timing.suspend();
    message.clear();
    const visit = ++this.visit;
    const following = this.item !== null && this.item.id !== item.id;
    this.item = item;
    this.onScreen = null;
    panel.setEnabled(false);
    message.say("");
    if (following) await this.betweenCases();
    const draft = await drafting.of(item);
    if (this.visit !== visit) return;
    drafting.take(item, draft);
    panel.load(draft.answer);
    controls.load(draft.answer);
    this.timing = new Timing(draft.activeMs, Number(item.standing?.timings.visit ?? 0) + 1);
    this.timing.restore(draft.answer.judgment || draft.answer.choice, draft.changes);
    this.timing.exposureMs = draft.exposureMs;
    this.events.turnedTo(item);
    if (item.exposure_ms === null) await this.paint(item);
    else if (draft.exposed) this.answerMasked(item);
    else await controls.timed(item, () => this.expose(item));
  }

  /** A plain or noisy mask, where the protocol wants one, so that no case is seen over the last. */
  private async betweenCases(): Promise<void> {
    const { between, between_ms } = this.parts.session;
    if (between === "none") return;
    this.parts.viewer.hide(between);
    await new Promise((resolve) => setTimeout(resolve, between_ms));
  }

  /** A timed case that was shown before: it is answered, not shown again. */
  private answerMasked(item: Item): void {
    const { viewer, session, message } = this.parts;
    viewer.hide(session.mask);
    this.timing.painted(performance.now());
    this.mayBeAnswered(item);
    message.say("");
    announce(`Case ${item.number} was shown. Please answer.`);
  }

  private mayBeAnswered(item: Item): void {
    this.onScreen = item.id;
    this.parts.panel.setEnabled(true);
  }

  /** Shows the case and, unless it is a timed showing, takes answers. Null when it is not shown. */
  private async paint(item: Item, timed = false): Promise<Painted | null> {
    const { viewer, panel, controls, message } = this.parts;
    const { visit } = this;
    const slow = setTimeout(() => this.visit === visit && message.say("Loading the case"), SLOW_MS);
    try {
      const painted = await viewer.show(item.frames);
      if (this.visit !== visit) return null;
      this.timing.painted(painted.at);
      performance.mark("case-painted", { detail: item.id });
      message.say("");
      controls.ready();
      if (!timed) {
        this.mayBeAnswered(item);
        controls.choice(panel.value().choice);
        const place = item.practice ? `Practice case ${item.number}` : `Case ${item.number}`;
        announce(`${place} of ${this.events.total(item)} is shown.`);
        this.events.shown(item);
      }
      return painted;
    } catch (error) {
      if (this.visit === visit) this.failed(item, error);
      return null;
    } finally {
      clearTimeout(slow);
    }
  }

  /** Shows for the protocol's time, masks, and lets the reader answer. */
  private async expose(item: Item): Promise<void> {
    const { viewer, panel, controls, session } = this.parts;
    const painted = await this.paint(item, true);
    if (!painted) return;
    const drafting = this.parts.drafting();
    drafting.keep({ exposed: true });
    const { visit } = this;
    this.showing = expose(viewer, painted, item.exposure_ms!, session.mask);
    const reached = await this.showing.done;
    this.showing = null;
    if (this.visit !== visit) return;
    this.timing.exposureMs = reached.ms;
    this.timing.exposureFrames = reached.frames;
    this.timing.exposureInterrupted = reached.interrupted;
    this.mayBeAnswered(item);
    controls.choice(panel.value().choice);
    announce(`Case ${item.number} was shown. Please answer.`);
    drafting.keep({ exposureMs: reached.ms });
    drafting.queue();
    this.events.shown(item);
  }

  /** Masks a timed showing at once. */
  interrupt(): void {
    this.showing?.stop();
  }

  private failed(item: Item, error: unknown): void {
    this.clear();
    if (this.parts.viewer.lost) {
      // No failure of the case: it is shown when there is something to draw on again.
      this.gone = { screen: null, again: item };
      this.parts.message.say(RESET);
      return;
    }
    this.gone = null;
    const { status, network } = error as Partial<FrameError>;
    const retry = (): void => void this.show(item);
    if (status === 401 || status === 403) this.events.signedOut(retry);
    else {
      const report = (): void => this.events.reported(item, error);
      this.parts.message.notShown(network ?? false, (status ?? 0) >= 500, retry, report);
    }
  }

  /** Takes the image away; nothing can be said of it any more. */
  clear(): void {
    this.visit++;
    this.onScreen = null;
    this.timing.suspend();
    this.parts.panel.setEnabled(false);
    this.parts.viewer.hide("blank");
  }

  /** Lets go of the case, too. */
  empty(): void {
    this.clear();
    this.item = null;
  }

  private viewChanged(change: string): void {
    const { panel, message } = this.parts;
    if (change === "lost") {
      // Nothing may be said of an image that is not there.
      if (!this.gone) this.gone = { screen: this.onScreen };
      this.onScreen = null;
      panel.setEnabled(false);
      this.timing.suspend();
      message.say(RESET);
    } else if ((change === "repainted" || change === "remasked") && this.gone) {
      const { screen, again } = this.gone;
      this.gone = null;
      message.say("");
      if (again && this.item === again) return void this.show(again);
      // What stood there before: an image that was answered, or the mask of one that was shown.
      if (!screen || this.item?.id !== screen) return;
      this.mayBeAnswered(this.item);
      this.timing.resume();
    }
  }
}
