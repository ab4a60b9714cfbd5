/** Elements, briefly. */

type Child = Node | string | null | undefined | false;
type Properties = Record<string, unknown>;

/** h("button", { class: "primary", onclick, "aria-label": "..." }, "Text", child, ...) */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  set(element, properties);
  element.append(...(children.filter(Boolean) as (Node | string)[]));
  return element;
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, properties);
  element.append(...(children.filter(Boolean) as (Node | string)[]));
  return element;
}

function set(element: Element, properties: Properties): void {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "value" || name === "checked" || name === "indeterminate") {
      (element as unknown as Properties)[name] = value;
    } else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** A key as readers know it. */
export function kbd(binding: string): HTMLElement {
  return h("kbd", { "aria-hidden": "true" }, keyName(binding));
}

const NAMES: Record<string, string> = {
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Control: "Ctrl", Escape: "Esc",
  PageUp: "Page up", PageDown: "Page down", Delete: "Del", " ": "Space",
};

export function keyName(binding: string): string {
  // A sign that needs Shift is known by the sign.
  const sign = /^Shift\+([^\w\s])$/.exec(binding);
  if (sign) return sign[1]!;
  return binding
    .split(/(?<=.)\+/)
    .map((part) => part.replace(/^(Digit|Key)/, ""))
    .map((part) => NAMES[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join(" ");
}

let region: HTMLElement | undefined;

/** Says something to screen readers. */
export function announce(text: string): void {
  if (!region) {
    region = h("div", { class: "hidden-but-read", role: "status", "aria-live": "polite" });
    document.body.append(region);
  }
  const target = region;
  // Said again, the same text must be a change to be read.
  target.textContent = "";
  setTimeout(() => (target.textContent = text), 30);
}

/** Random id; ``crypto.randomUUID`` is missing on plain HTTP inside a hospital. */
export function uuid(): string {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 15) | 64;
  bytes[8] = (bytes[8]! & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}
