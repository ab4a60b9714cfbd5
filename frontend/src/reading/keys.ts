/** Single keys for everything, remappable, and kept in this browser. */
import { createKeybindingsHandler } from "tinykeys";

export interface Action {
  id: string;
  title: string;
  group: string;
  keys: string[];
  run: (event: KeyboardEvent) => void;
  /** Works while text is being typed, too. */
  always?: boolean;
  /** Goes on while the key is held. */
  repeats?: boolean;
  /** Leaves the key to the browser. */
  unless?: (event: KeyboardEvent) => boolean;
}

const STORED = "reading-keys";
/** Two presses closer than this are one double press of a finger, ms. */
export const TWICE = 250;

export class Keys {
  private actions = new Map<string, Action>();
  private handler: (event: Event) => void = () => undefined;
  private own: Record<string, string[]> = {};
  /** Set while an overlay is open: only it gets keys. */
  held: ((event: KeyboardEvent) => void) | null = null;
  /** When Enter was last pressed in the room itself: it may have brought the overlay. */
  private entered = -Infinity;

  constructor() {
    try {
      this.own = sound(JSON.parse(localStorage.getItem(STORED) ?? "{}"));
    } catch {
      // Unreadable or forbidden storage: the keys are as delivered.
    }
    addEventListener("keydown", (event) => this.pressed(event));
  }

  define(actions: Action[]): void {
    for (const action of actions) this.actions.set(action.id, action);
    this.bind();
  }

  remove(group: string): void {
    for (const [id, action] of this.actions) if (action.group === group) this.actions.delete(id);
    this.bind();
  }

  list(): Action[] {
    return [...this.actions.values()].map((action) => ({ ...action, keys: this.keysOf(action.id) }));
  }

  keysOf(id: string): string[] {
    const usual = this.actions.get(id)?.keys ?? [];
    const own = this.own[id];
    // Chosen in another study, it may be the usual key of something that only this one asks.
    return own && !this.usedBy(own, id) ? own : usual;
  }

  private usedBy(keys: string[], but: string): boolean {
    return [...this.actions.values()].some((action) =>
      action.id !== but && !this.own[action.id] && action.keys.some((key) => keys.some((own) => same(own, key))));
  }

  first(id: string): string {
    return this.keysOf(id)[0] ?? "";
  }

  /** The key of an action that is not there yet: the reader's own, or the usual one. */
  firstOr(id: string, usual: string): string {
    return this.first(id) || usual;
  }

  /** Puts ``key`` on an action. Returns the action that has it already, and then changes nothing. */
  remap(id: string, key: string): Action | null {
    const taken = this.list().find((action) => action.id !== id && action.keys.some((other) => same(other, key)));
    if (taken) return taken;
    this.own[id] = [key];
    this.keep();
    return null;
  }

  restore(): void {
    this.own = {};
    this.keep();
  }

  private keep(): void {
    try {
      localStorage.setItem(STORED, JSON.stringify(this.own));
    } catch {
      // The change then lasts until the page is left.
    }
    this.bind();
    dispatchEvent(new Event("keys-changed"));
  }

  private bind(): void {
    const bindings: Record<string, (event: KeyboardEvent) => void> = {};
    for (const action of this.list()) {
      for (const key of action.keys) {
        bindings[key] = (event) => {
          if (!action.always && isTyping(event.target)) return;
          if (isOperated(event)) return;
          if (action.unless?.(event)) return;
          if (event.repeat && !action.repeats) return;
          event.preventDefault();
          action.run(event);
        };
      }
    }
    this.handler = createKeybindingsHandler(bindings);
  }

  private pressed(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing) return;
    if (this.held) {
      // Held a moment too long or pressed twice, Enter must not leave the sheet that it has brought.
      const tooSoon = event.repeat || event.timeStamp - this.entered < TWICE;
      if (tooSoon && event.key === "Enter" && !isTyping(event.target)) event.preventDefault();
      else this.held(event);
      return;
    }
    if (event.key === "Enter") this.entered = event.timeStamp;
    let known = onLatin(event);
    // A French 6 is a hyphen without Shift, and that is a key of its own where no 6 is wanted.
    if (/^\d$/.test(known.key) && !this.list().some(({ keys }) => keys.includes(known.key))) known = event;
    this.handler(known);
    if (known.defaultPrevented) event.preventDefault();
  }
}

const same = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/** What of the stored keys is a list of keys: anybody may have written there. */
function sound(stored: unknown): Record<string, string[]> {
  const entries = Object.entries((stored ?? {}) as object) as [string, unknown][];
  return Object.fromEntries(entries.filter((entry): entry is [string, string[]] =>
    Array.isArray(entry[1]) && entry[1].every((key) => typeof key === "string" && key !== "")));
}

/**
 * The same key on a keyboard whose letters are not Latin (Cyrillic, Greek, Hebrew ...) or whose
 * digits need Shift (French): known by its place, since its sign cannot be bound.
 */
function onLatin(event: KeyboardEvent): KeyboardEvent {
  const letter = /^Key([A-Z])$/.exec(event.code)?.[1];
  const digit = event.shiftKey ? undefined : /^Digit(\d)$/.exec(event.code)?.[1];
  let key: string | undefined;
  if (letter && event.key.length === 1 && event.key > "\u02af") {
    key = event.shiftKey ? letter : letter.toLowerCase();
  } else if (digit && !/^\d$/.test(event.key) && event.key.length === 1) key = digit;
  if (key === undefined) return event;
  const { code, repeat, shiftKey, ctrlKey, altKey, metaKey } = event;
  const known = new KeyboardEvent("keydown", {
    key, code, repeat, shiftKey, ctrlKey, altKey, metaKey, cancelable: true,
  });
  Object.defineProperty(known, "target", { value: event.target });
  return known;
}

export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  if (target instanceof HTMLInputElement) {
    return !["radio", "checkbox", "button", "range"].includes(target.type);
  }
  return target.isContentEditable;
}

/** Keys with which the focused control itself is worked: a slider, a group of choices. */
function isOperated({ target, key }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLInputElement)) return false;
  const arrow = key.startsWith("Arrow");
  if (target.type === "radio") return arrow;
  return target.type === "range" && (arrow || ["Home", "End", "PageUp", "PageDown"].includes(key));
}

/** The binding of a pressed key, as ``define`` takes it; null for a modifier alone. */
export function bindingOf(pressed: KeyboardEvent): string | null {
  const event = onLatin(pressed);
  // Without Tab nobody gets around, and a dead key says nothing yet.
  const none = ["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "Tab", "Dead", "Unidentified"];
  if (none.includes(event.key)) return null;
  const parts: string[] = [];
  if (event.ctrlKey) parts.push("Control");
  if (event.altKey) parts.push("Alt");
  if (event.metaKey) parts.push("Meta");
  if (event.shiftKey) parts.push("Shift");
  const digit = event.shiftKey && /^Digit\d$/.test(event.code);
  parts.push(digit ? event.code : event.key.length === 1 ? event.key.toLowerCase() : event.key);
  return parts.join("+");
}
