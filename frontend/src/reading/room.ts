/** The room: which case is on screen, what was said of it, and what comes next. */
import { watchActivity } from "./activity";
import { type Api, ApiError, Unreachable } from "./api";
import { CaseList } from "./caselist";
import { CaseScreen } from "./casescreen";
import { announce, h, uuid } from "./dom";
import { Drafting } from "./drafting";
import { Header } from "./header";
import { ImageControls } from "./controls";
import { measureOnce } from "./environment";
import type { Keys } from "./keys";
import { Outbox } from "./outbox";
import type { Sheets } from "./overlay";
import { Panel } from "./panel";
import { StageMessage } from "./stagemessage";
import type { Letter, Store } from "./store";
import type { Timing } from "./timing";
import {
  type Answer, type Feedback, type Item, type Listing, type Recorded,
  type RoomState, type SessionSpec, type Standing,
} from "./types";
import { Viewer } from "./viewer/viewer";

export interface RoomContext {
  api: Api;
  keys: Keys;
  sheets: Sheets;
  store: Store;
  host: HTMLElement;
  leave(stage?: RoomState): void;
  renderer: "auto" | "webgl2" | "canvas";
}

/** An answer is sent when the next case is on the screen, but not later than this. */
const SEND_WITHIN_MS = 300;

export class Room {
  readonly viewer: Viewer;
  readonly panel: Panel;
  readonly header: Header;
  readonly outbox: Outbox;
  readonly controls: ImageControls;
  private stageElement: HTMLElement;
  private message = new StageMessage();
  private session: SessionSpec;
  private cases: CaseList;
  private screen: CaseScreen;
  private drafting: Drafting;
  private reviewing = false;
  private starved = false;
  private feedbackFor: string | null = null;
  constructor(
    private context: RoomContext,
    private state: RoomState,
  ) {
    this.session = state.session!;
    const view = h("div", { class: "view" });
    this.stageElement = h(
      "main", { class: "stage", tabindex: 0, "aria-label": "Radiograph" }, view, this.message.element,
    );
    this.panel = new Panel(this.session.form, context.keys, {
      changed: (_answer, what) => this.changed(what),
      submit: () => void this.submit(),
      mark: (kind, term) => this.controls.mark(kind, term),
      markPlaces: (kind, term) => this.controls?.marks(kind, term) ?? 0,
    });
    this.header = new Header(state.title, this.session, context.keys, {
      pause: () => this.pause(),
      help: () => this.controls.help(),
      review: () => this.showReview(),
    });
    context.host.replaceChildren(this.header.element, this.stageElement, this.panel.element);
    this.viewer = new Viewer(view, context.renderer);
    this.controls = new ImageControls({
      viewer: this.viewer, stage: this.stageElement, panel: this.panel, keys: context.keys,
      sheets: context.sheets, session: this.session,
      touched: () => this.timing.input(),
      regionsChanged: () => this.changed("regions"),
      chosen: (place) => this.panel.choose(place),
    });
    this.screen = new CaseScreen({
      viewer: this.viewer, panel: this.panel, controls: this.controls, message: this.message,
      session: this.session, drafting: () => this.drafting,
    }, {
      turnedTo: () => this.showProgress(),
      shown: () => this.prefetch(),
      signedOut: (retry) => {
        this.header.saving("signed-out", this.outbox.pending().length, "", true);
        this.message.signedOut(this.header.signInLink(), retry);
      },
      reported: (item, error) => void this.report(item, error),
      total: (item) => this.cases.total(item),
    });
    this.outbox = new Outbox(context.api, context.store, state.reader, {
      status: (saving, pending, reason) => {
        this.header.saving(saving, pending.length, reason, this.outbox?.lasting ?? true);
        if (this.starved) this.sayStarved();
      },
      recorded: (letter, answer) => this.recorded(letter, answer),
      conflict: (letter, standing, reason) => void this.conflict(letter, standing, reason),
      refused: (letter, reason) => this.refused(letter, reason),
      dropped: (letter) => this.drafting.dropped(letter),
    });
    this.cases = new CaseList(state, () => this.outbox.pending());
    this.drafting = new Drafting(state.reader, context.store, this.outbox, {
      answer: () => this.panel.value(),
      timing: () => this.timing,
      summary: () => this.controls.summary(),
    });
    watchActivity({
      present: (present) => (present ? this.timing.resume() : this.timing.suspend()),
      input: (deliberate) => this.screen.anythingShown && this.timing.input(deliberate),
      leaving: () => this.putAway(),
      taken: () => {
        this.screen.empty();
        this.drafting.release();
        this.outbox.stop();
      },
    });
  }

  /** The case that is or will be on the screen. */
  get item(): Item | null {
    return this.screen.item;
  }

  get timing(): Timing {
    return this.screen.timing;
  }

  /** Starts reading: at the first open case, or at an earlier one that was asked for. */
  async open(revisit?: string): Promise<void> {
    await this.outbox.open();
    this.cases.resettle();
    this.context.keys.define([
      { id: "pause", title: "Pause", group: "Room", keys: ["Shift+P"], run: () => this.pause() },
      {
        id: "review", title: "Look at earlier cases", group: "Room", keys: ["PageUp"],
        run: () => this.showReview(),
      },
      {
        id: "panel-side", title: "Panel left or right", group: "Room", keys: ["Shift+L"],
        run: () => this.controls.togglePanel("side"),
      },
      {
        id: "panel-hide", title: "Hide or show the panel", group: "Room", keys: ["Shift+H"],
        run: () => this.controls.togglePanel("hidden"),
      },
    ]);
    dispatchEvent(new Event("keys-changed"));
    measureOnce(this.context.api, this.session.id);
    await (revisit ? this.revisit(revisit) : this.next());
  }

  /** The page may be gone in a moment. */
  private putAway(): void {
    this.drafting.flush();
    // Time spent looking counts, whether or not anything was said.
    if (this.screen.anythingShown) this.drafting.keep({});
  }

  // -- Which case ---------------------------------------------------------------------------------

  private waiting(): Item[] {
    return this.cases.waiting();
  }

  private async next(): Promise<void> {
    this.reviewing = this.starved = false;
    this.message.clear();
    const [item] = this.waiting();
    if (item) await this.show(item);
    else if (this.outbox.pending().length) this.waitForList();
    else await this.refresh();
  }

  /** Everything that was loaded has been read, and the server has not said what comes next. */
  private waitForList(): void {
    this.starved = true;
    this.screen.empty();
    const { visit } = this.screen;
    // A receipt is on its way as a rule: no words for what passes in a moment.
    setTimeout(() => this.screen.visit === visit && this.sayStarved(), 600);
  }

  private sayStarved(): void {
    if (!this.item) this.message.starved(this.outbox.status, () => this.header.signInLink());
  }

  private async refresh(): Promise<void> {
    try {
      const state = await this.context.api.call<RoomState>("GET", "");
      if (state.stage === "reading" && state.items) {
        this.take(state);
        if (this.waiting().length) return void (await this.show(this.waiting()[0]!));
      }
      this.message.clear();
      this.context.leave(state);
    } catch (error) {
      const again = (): void => void this.next();
      if (error instanceof ApiError && error.status === 401) {
        this.message.signedOut(this.header.signInLink(), again);
      } else this.message.unreachable(again);
    }
  }

  private take(listing: Partial<Listing>): void {
    if (!this.cases.take(listing)) return;
    this.showProgress();
    this.prefetch();
  }

  private prefetch(): void {
    const items = this.waiting();
    const urls = items.flatMap((item) => item.frames);
    const keep = [...urls, ...(this.item?.frames ?? [])];
    this.viewer.loader.keepOnly(keep);
    this.viewer.prefetch(urls);
  }

  private showProgress(): void {
    this.header.progress(this.item, this.cases.progress(), this.reviewing);
  }

  private async show(item: Item): Promise<void> {
    this.feedbackFor = null;
    await this.screen.show(item);
  }

  private async report(item: Item, error: unknown): Promise<void> {
    const letter: Letter = {
      reader: this.state.reader, presentation: item.id, clientId: uuid(), kind: "failures",
      submitted: true, practice: item.practice, attempted: false,
      body: { reason: String((error as Error)?.message ?? error).slice(0, 2000) },
    };
    this.message.clear();
    await this.outbox.post(letter);
    this.cases.settle(item.id);
    await this.next();
  }

  // -- Answering ------------------------------------------------------------------------------------

  private changed(what: string): void {
    if (!this.screen.answerable) return;
    this.panel.setRegions(this.controls.regionAnswer());
    const answer = this.panel.value();
    this.controls.choice(answer.choice);
    if (what === "judgment" || what === "choice") this.timing.judgment(answer.judgment || answer.choice);
    this.drafting.changed(answer);
  }

  private async submit(): Promise<void> {
    const item = this.screen.answerable;
    if (this.feedbackFor) return void this.next();
    if (!item || !this.panel.isEnabled) return;
    const lacking = [...this.controls.missing(), ...this.panel.missing()];
    if (lacking.length) return this.panel.point(lacking);
    this.timing.remark("submitted");
    this.panel.setEnabled(false);
    const posted = this.drafting.post(true);
    this.cases.settle(item.id);
    this.controls.leaveCase(this.timing.activeMs);
    if (item.practice) {
      this.feedbackFor = item.id;
      this.panel.setEnabled(false);
      this.header.note("Submitted");
      await posted;
      this.showFeedback(item, null);
      return;
    }
    // Asking for the focus that is there already would cost a layout of the page.
    if (document.activeElement !== this.stageElement) this.stageElement.focus({ preventScroll: true });
    if (this.reviewing) {
      await posted;
      // With everything done the page that offers to finish is the better list.
      if (this.waiting().length) this.showReview();
      else await this.next();
      return;
    }
    if (this.cases.breakDue(this.session.break_every)) {
      await posted;
      this.break();
      return;
    }
    const following = this.next();
    this.outbox.hold(following, SEND_WITHIN_MS);
    await Promise.all([posted, following]);
  }

  // -- What the server said -------------------------------------------------------------------------

  private recorded(letter: Letter, answer: Recorded): void {
    this.take(answer);
    if (letter.submitted && letter.practice && this.feedbackFor === letter.presentation) {
      const item = this.item;
      if (item) this.showFeedback(item, answer.feedback);
    }
    // Only where the reader is waiting for cases; anything else is on its way already.
    if (letter.submitted && this.starved && !this.context.sheets.isOpen) void this.next();
    if (letter.submitted && this.drafting.draft?.id !== letter.presentation) {
      void this.context.store.dropDraft(letter.presentation);
    }
    const known = this.cases.find(letter.presentation);
    if (known && letter.kind === "readings") {
      known.standing = {
        revision: answer.revision, client_id: letter.clientId, submitted: letter.submitted,
        answer: letter.body.answer as Answer,
        timings: letter.body.timings as Record<string, unknown>,
        viewer: letter.body.viewer as Record<string, unknown>,
      };
    }
  }

  private async conflict(letter: Letter, standing: Standing | null, reason: string): Promise<void> {
    announce(reason);
    await this.context.store.dropDraft(letter.presentation);
    if (this.item?.id === letter.presentation) {
      this.item.standing = standing;
      this.drafting.release();
    }
    this.context.sheets.show({
      title: "Answered elsewhere",
      content: [h("p", {}, reason)],
      closable: true,
      onclose: () => void this.refreshAll(),
    });
  }

  private async refreshAll(): Promise<void> {
    this.screen.item = null;
    this.cases.resettle();
    await this.refresh();
  }

  private refused(_letter: Letter, reason: string): void {
    this.context.sheets.show({
      title: "An answer was not accepted",
      content: [
        h("p", {}, reason),
        h("p", { class: "quiet" }, "It is kept in this browser. Please tell the study's team."),
      ],
      closable: true,
      onclose: () => void this.refreshAll(),
    });
  }

  // -- Around the cases -----------------------------------------------------------------------------

  private showFeedback(item: Item, feedback: Feedback | null): void {
    this.controls.feedback(item, feedback, () => {
      this.feedbackFor = null;
      void this.next();
    });
  }

  private pause(): void {
    if (this.context.sheets.isOpen) return;
    this.screen.interrupt();
    this.drafting.flush();
    this.timing.pause(true);
    this.context.host.classList.add("covered");
    this.offerPause("Paused", () => {
      this.context.host.classList.remove("covered");
      this.timing.pause(false);
      this.stageElement.focus();
    });
  }

  private break(): void {
    this.screen.empty();
    this.offerPause("Time for a break", () => void this.next());
  }

  private offerPause(title: string, resume: () => void): void {
    const { done, total } = this.cases.progress();
    this.controls.pauseSheet(title, done, total, this.session.break_every, resume);
  }

  private showReview(): void {
    if (!this.session.may_revise || this.context.sheets.isOpen) return;
    this.drafting.flush();
    this.controls.reviewSheet(this.cases.earlier, this.item?.id ?? null, (id) => void this.revisit(id), () => {
      if (this.reviewing || !this.item) void this.next();
    });
  }

  async revisit(id: string): Promise<void> {
    try {
      const item = await this.context.api.call<Item>("GET", `/presentations/${id}`);
      this.reviewing = true;
      await this.show(item);
    } catch (error) {
      this.message.say(error instanceof Unreachable ? "Waiting for the network." : (error as Error).message,
        h("button", { class: "button", type: "button", onclick: () => void this.next() }, "Go on reading"));
    }
  }
}
