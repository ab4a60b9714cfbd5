/** The reading conditions: declared by the reader, measured by the page, and a look at the screen. */
import type { Api } from "./api";
import { h } from "./dom";

const MONITORS = ["Diagnostic monitor", "Office monitor", "Laptop", "Tablet", "Other"];
const LIGHT = ["Dark", "Dim", "Office light", "Daylight"];

export function environmentFields(): {
  elements: HTMLElement[];
  record(): Record<string, unknown> | string;
} {
  const monitor = choices("monitor", "Screen", MONITORS);
  const light = choices("light", "Room light", LIGHT);
  const dark = patch("In the dark square, where is the slightly lighter patch?", 0, 13);
  const bright = patch("In the bright square, where is the slightly darker patch?", 255, 242);
  const refresh = measureRefresh();
  return {
    elements: [
      h("div", { class: "columns" }, monitor.element, light.element),
      h("div", { class: "greys" }, ramp(), h("p", { class: "quiet" },
        "Eighteen steps from black to white: each should differ from the next.")),
      h("div", { class: "columns" }, dark.element, bright.element),
    ],
    record() {
      if (!monitor.value() || !light.value()) return "Please say which screen and light you have.";
      if (!dark.answer() || !bright.answer()) return "Please answer for both squares; “I cannot see it” is an answer.";
      return {
        kind: "declared",
        monitor: monitor.value(),
        light: light.value(),
        grey_steps: {
          dark: { answer: dark.answer(), right: dark.right() },
          bright: { answer: bright.answer(), right: bright.right() },
        },
        ...measured(),
        refresh_hz: refresh.value,
      };
    },
  };
}

/** What the browser knows of the screen, without asking. */
export function measured(): Record<string, unknown> {
  return {
    device_pixel_ratio: devicePixelRatio,
    viewport: [innerWidth, innerHeight],
    screen: [screen.width, screen.height],
    colour_depth: screen.colorDepth,
    pointer: matchMedia("(pointer: coarse)").matches ? "coarse" : "fine",
    wide_gamut: matchMedia("(color-gamut: p3)").matches,
    browser: navigator.userAgent,
  };
}

function choices(name: string, title: string, options: string[]): { element: HTMLElement; value(): string } {
  const inputs = options.map((value) => h("input", { type: "radio", name, value }));
  return {
    element: h("fieldset", { class: "question" }, h("legend", {}, title),
      ...inputs.map((input) => h("label", { class: "choice line" }, input,
        h("span", { class: "mark", "aria-hidden": "true" }), h("span", { class: "label" }, input.value)))),
    value: () => inputs.find((input) => input.checked)?.value ?? "",
  };
}

/** Eighteen equal steps of grey, as in the AAPM's and SMPTE's patterns. */
function ramp(): HTMLCanvasElement {
  const steps = 18;
  const canvas = h("canvas", { class: "ramp", role: "img", "aria-label": "Eighteen steps of grey" });
  canvas.width = steps * 40;
  canvas.height = 40;
  const context = canvas.getContext("2d")!;
  for (let i = 0; i < steps; i++) {
    const grey = Math.round((255 * i) / (steps - 1));
    context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    context.fillRect(i * 40, 0, 40, 40);
  }
  return canvas;
}

const CORNERS = ["Top left", "Top right", "Bottom left", "Bottom right"];
const UNSEEN = "I cannot see it";

/** A 5 % patch in one corner of a square: seen or not is asked, not taken on trust. */
function patch(question: string, around: number, inside: number): {
  element: HTMLElement;
  answer(): string;
  right(): boolean;
} {
  const corner = Math.floor(Math.random() * 4);
  const side = 160;
  const canvas = h("canvas", { class: "patch", role: "img", "aria-label": "A square with a faint patch in one corner" });
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d")!;
  context.fillStyle = `rgb(${around} ${around} ${around})`;
  context.fillRect(0, 0, side, side);
  context.fillStyle = `rgb(${inside} ${inside} ${inside})`;
  context.fillRect(corner % 2 ? 100 : 20, corner > 1 ? 100 : 20, 40, 40);
  const asked = choices(`patch-${around}`, question, [...CORNERS, UNSEEN]);
  return {
    element: h("div", { class: "patch-question" }, canvas, asked.element),
    answer: asked.value,
    right: () => asked.value() === CORNERS[corner],
  };
}

function measureRefresh(): { value: number | null } {
  const result: { value: number | null } = { value: null };
  const times: number[] = [];
  const tick = (now: number): void => {
    times.push(now);
    if (times.length < 30) requestAnimationFrame(tick);
    else result.value = Math.round((1000 * (times.length - 1)) / (now - times[0]!));
  };
  requestAnimationFrame(tick);
  return result;
}

/** A session gone on with on another machine: what can be measured of it is added, once. */
export function measureOnce(api: Api, session: string): void {
  const known = `reading-device-${session}`;
  try {
    if (localStorage.getItem(known)) return;
    localStorage.setItem(known, "1");
  } catch {
    return;
  }
  const record = { kind: "measured", ...measured() };
  api.call("POST", "/environment", { record }).catch(() => undefined);
}
