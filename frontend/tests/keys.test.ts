/** Keys of the reading room and of the sheets above it. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Keys, TWICE } from "../src/reading/keys";

let press: (event: KeyboardEvent) => void;

/** A key as the browser would report it, at this time in ms. */
class Press {
  readonly code: string;
  defaultPrevented = false;
  isComposing = false;
  target = null;
  constructor(readonly key: string, readonly timeStamp: number, readonly repeat = false) {
    this.code = key;
  }
  getModifierState(): boolean { return false; }
  preventDefault(): void { this.defaultPrevented = true; }
}
const key = (name: string, at: number, repeat = false): KeyboardEvent =>
  new Press(name, at, repeat) as unknown as KeyboardEvent;

describe("Enter twice", () => {
  beforeEach(() => {
    vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
    vi.stubGlobal("addEventListener", (_: string, listener: typeof press) => { press = listener; });
    for (const name of ["", "Input", "TextArea", "Select"]) {
      vi.stubGlobal(`HTML${name}Element`, class {});
    }
    vi.stubGlobal("KeyboardEvent", Press);
  });
  afterEach(() => vi.unstubAllGlobals());

  it("does not leave the sheet that the first press has brought", () => {
    const keys = new Keys();
    const got: string[] = [];
    keys.define([{ id: "submit", title: "", group: "", keys: ["Enter"], run: () => {
      keys.held = (event) => got.push(event.key);
    } }]);
    press(key("Enter", 1000));
    expect(keys.held).not.toBeNull();
    // the second press of a double press, and one that is held, do nothing
    const second = key("Enter", 1000 + TWICE - 1);
    press(second);
    const repeated = key("Enter", 1000 + 2 * TWICE, true);
    press(repeated);
    expect([second.defaultPrevented, repeated.defaultPrevented, got]).toEqual([true, true, []]);
    // every other key, and Enter pressed anew, go to the sheet
    press(key("a", 1010));
    const anew = key("Enter", 1000 + TWICE);
    press(anew);
    expect([anew.defaultPrevented, got]).toEqual([false, ["a", "Enter"]]);
  });
});
