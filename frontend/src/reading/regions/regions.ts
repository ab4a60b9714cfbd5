/** Regions on the image: what the room, its keys and its bars see of them. */
import { announce } from "../dom";
import { isTyping, type Keys } from "../keys";
import type { Answer, FormSpec, Point } from "../types";
import type { Viewer } from "../viewer/viewer";
import { Drawing } from "./drawing";
import { Editing, type Held } from "./editing";
import { type Mark, Marks, NAMES } from "./marks";
import { Places } from "./places";
import { RegionBar } from "./regionbar";
import { Sketcher } from "./sketcher";
import { type RegionDesk, type Target, type Tool } from "./tools";

interface RegionEvents {
  changed(): void;
  visited(id: string): void;
  named(kind: "findings" | "cues", term: string): void;
}

const ARROWS: Record<string, Point> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

export class Regions implements RegionDesk {
  readonly marks = new Marks();
  readonly toolbar: HTMLElement;
  readonly allowed: boolean;
  private drawing: Drawing;
  private sketcher: Sketcher;
  private editing: Editing;
  private bar?: RegionBar;
  private answerNow: Answer | null = null;

  constructor(
    private viewer: Viewer,
    private stage: HTMLElement,
    private keys: Keys,
    private events: RegionEvents,
    private form: FormSpec,
  ) {
    this.allowed =
      (form.findings !== null && form.findings.region !== "no") ||
      (form.cues !== null && form.cues.region !== "no");
    const places = new Places(viewer);
    const redraw = (): void => this.layout();
    this.drawing = new Drawing(viewer, {
      focused: (id) => this.editing.select(id),
      grabbed: (event, id, handle) => this.tool || this.editing.grab(event, id, handle),
    });
    this.sketcher = new Sketcher(viewer, places, this.drawing, { redraw, drawn: (mark) => this.drawn(mark) });
    this.editing = new Editing(this.marks, places, this.drawing, {
      redraw,
      changed: () => events.changed(),
      visited: (id) => events.visited(id),
      leave: () => stage.focus({ preventScroll: true }),
    });
    this.bar = new RegionBar(this);
    this.toolbar = this.bar.element;
    this.toolbar.hidden = !this.allowed;
    if (this.allowed) stage.append(this.bar.about);
    viewer.onChange(redraw);
    if (this.allowed) this.defineKeys();
    // Before the room's own keys: while something is drawn, Enter and Escape belong to it.
    addEventListener("keydown", (event) => this.pressed(event), { capture: true });
  }

  private defineKeys(): void {
    this.keys.remove("Regions");
    const act = (id: string, title: string, keys: string[], run: () => void): void =>
      this.keys.define([{ id, title, group: "Regions", keys, run }]);
    act("draw-box", "Box", ["b"], () => this.setTool("box"));
    act("draw-ellipse", "Ellipse", ["e"], () => this.setTool("ellipse"));
    act("draw-point", "Point", ["p"], () => this.setTool("point"));
    act("draw-polygon", "Outline, corner by corner", ["y"], () => this.setTool("polygon"));
    act("draw-freehand", "Outline, freehand", ["u"], () => this.setTool("freehand"));
    act("draw-arrow", "Arrow", ["n"], () => this.setTool("arrow"));
    act("mark", "Mark the last finding", ["m"], () => this.markLast());
    act("undo", "Undo", ["Control+z"], () => this.undo());
    if (this.form.choice > 1) act("cross-next", "Cross to the next image", ["k"], () => this.sketcher.nextTile());
    act("redo", "Redo", ["Control+y", "Control+Shift+z"], () => this.redo());
  }

  // -- For the room -----------------------------------------------------------------------------------

  load(answer: Answer): void {
    this.answerNow = answer;
    this.marks.load(answer);
    this.editing.selected = this.editing.handle = null;
    this.setTool(null);
    this.layout();
  }

  answer(answer: Answer): Pick<Answer, "regions" | "findings" | "cues"> {
    this.answerNow = answer;
    this.layout();
    return this.marks.answer(answer);
  }

  count(owner: "findings" | "cues", term: string): number {
    return this.marks.of(owner, term).length;
  }

  /** The next shape belongs to this finding or cue. */
  markFor(owner: "findings" | "cues", term: string): void {
    this.setTool(this.tool ?? "box");
    this.sketcher.target = { owner, term };
    this.stage.focus({ preventScroll: true });
  }

  private markLast(): void {
    const said = this.owners().at(-1);
    if (said) this.markFor(said.owner as "findings" | "cues", said.term);
    else this.setTool("box");
  }

  /** Findings and cues of this case that may be marked. */
  owners(): Target[] {
    const { answerNow, form } = this;
    if (!answerNow) return [];
    return [
      ...answerNow.findings.filter((each) => each.term !== form.findings?.normal)
        .map(({ term }) => ({ owner: "findings" as const, term })),
      ...answerNow.cues.map(({ term }) => ({ owner: "cues" as const, term })),
    ];
  }

  get tool(): Tool | null {
    return this.sketcher.tool;
  }

  setTool(tool: Tool | null): void {
    if (!this.allowed) return;
    this.sketcher.take(tool);
    this.stage.classList.toggle("drawing", tool !== null);
    this.bar?.update();
  }

  get selected(): string | null {
    return this.editing.selected;
  }

  get shown(): boolean {
    return this.viewer.current().length > 0;
  }

  focusSelected(): void {
    if (this.selected) this.drawing.focus(this.selected);
    else this.stage.focus({ preventScroll: true });
  }

  layout(): void {
    const { shown } = this;
    const { sketch, cursor } = this.sketcher;
    const list = shown && this.answerNow ? this.marks.speaking(this.answerNow) : [];
    this.drawing.update(list, this.editing, shown ? sketch : null);
    this.drawing.crosshair(shown && cursor ? cursor.point : null, cursor?.index);
    this.bar?.update();
  }

  // -- By hand ------------------------------------------------------------------------------------------

  begin(clientX: number, clientY: number): void {
    this.sketcher.begin(clientX, clientY);
  }

  extend(clientX: number, clientY: number): void {
    this.sketcher.extend(clientX, clientY);
  }

  end(clientX: number, clientY: number, wandered: boolean): void {
    this.sketcher.end(clientX, clientY, wandered);
  }

  hover(clientX: number, clientY: number): void {
    this.sketcher.hover(clientX, clientY);
  }

  /** The pointer that draws was lost, or is one of two fingers. */
  interrupt(): void {
    this.sketcher.interrupt();
  }

  /** Gives up the region that is being pulled, if there is one, and the pointer that pulls it. */
  letGo(): Held | null {
    return this.editing.letGo();
  }

  /** A region was begun and not ended. */
  get unfinished(): boolean {
    return this.sketcher.sketch !== null;
  }

  private drawn(mark: Mark): void {
    this.marks.remember();
    this.marks.list.push(mark);
    this.stage.classList.remove("drawing");
    this.editing.selected = mark.id;
    this.editing.handle = null;
    if (mark.owner) this.events.named(mark.owner, mark.term);
    this.events.visited(mark.id);
    this.events.changed();
    announce(`${NAMES[mark.type]} ${mark.term ? `for ${mark.term.replace(/_/g, " ")} ` : ""}drawn`);
    this.drawing.focus(mark.id);
  }

  relabel(change: Partial<Pick<Mark, "label" | "owner" | "term">>): void {
    this.editing.relabel(change);
  }

  remove(): void {
    this.editing.remove();
  }

  undo(): void {
    if (this.marks.undo()) this.restored("Undone");
  }

  redo(): void {
    if (this.marks.redo()) this.restored("Redone");
  }

  private restored(word: string): void {
    const { editing } = this;
    editing.handle = null;
    if (!this.marks.find(editing.selected)) editing.selected = null;
    for (const mark of this.marks.list) if (mark.owner) this.events.named(mark.owner, mark.term);
    announce(word);
    this.events.changed();
    if (editing.selected) this.drawing.focus(editing.selected);
  }

  // -- Keyboard -------------------------------------------------------------------------------------------

  private pressed(event: KeyboardEvent): void {
    if (this.keys.held || isTyping(event.target) || !this.shown) return;
    if (this.tool ? this.whileDrawing(event) : this.whileFocused(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  private whileDrawing(event: KeyboardEvent): boolean {
    const { sketcher } = this;
    const arrow = ARROWS[event.key];
    const radio = event.target instanceof HTMLInputElement;
    if (arrow && sketcher.cursor && !radio) sketcher.moveCross(arrow[0], arrow[1], event.altKey);
    else if (event.key === " ") sketcher.anchor(false);
    else if (event.key === "Enter" && !event.ctrlKey && sketcher.begins) sketcher.anchor(true);
    else if (event.key === "Backspace") return sketcher.takeBack();
    else if (event.key !== "Escape") return false;
    else if (sketcher.sketch) sketcher.cancel();
    else this.setTool(null);
    return true;
  }

  private whileFocused(event: KeyboardEvent): boolean {
    const { editing } = this;
    const mark = editing.focused();
    if (!mark) return false;
    const arrow = ARROWS[event.key];
    if (arrow) {
      if (event.shiftKey) editing.resize(mark, arrow[0], arrow[1], event.altKey);
      else editing.nudge(mark, arrow[0], arrow[1], event.altKey);
    } else if (event.key === " ") editing.nextHandle(mark, event.shiftKey ? -1 : 1);
    else if (event.key === "Delete" || event.key === "Backspace") editing.remove();
    else if (event.key === "Escape") {
      editing.select(null);
      this.stage.focus({ preventScroll: true });
    } else return false;
    return true;
  }
}
