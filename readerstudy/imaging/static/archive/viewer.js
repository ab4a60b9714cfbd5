// @ts-check
/** The scan page's viewer: all grey levels in the browser, so that window and level are real. */

for (const element of document.querySelectorAll("[data-viewer]")) void view(/** @type {HTMLElement} */ (element));

/** @param {HTMLElement} root */
async function view(root) {
  const canvas = /** @type {HTMLCanvasElement} */ (root.querySelector("canvas"));
  const output = /** @type {HTMLOutputElement} */ (root.querySelector("output"));
  let scan;
  try {
    const answer = await fetch(root.dataset.pixels ?? "");
    if (!answer.ok) throw new Error(String(answer.status));
    scan = await decode(await answer.arrayBuffer());
  } catch {
    output.textContent = "All grey levels could not be loaded; the thumbnail is shown.";
    return;
  }
  const { pixels, rows, columns, bits } = scan;
  const top = 2 ** bits - 1;
  const first = root.dataset.width
    ? { centre: Number(root.dataset.centre), width: Math.max(1, Number(root.dataset.width)) }
    : range(pixels, top);
  const state = { ...first, inverted: false, boxes: true, marking: false };
  // Pixels that are not square are drawn in their true shape.
  const tall = Number(root.dataset.aspect) || 1;
  canvas.width = columns;
  canvas.height = Math.round(rows * tall);
  const sheet = new OffscreenCanvas(columns, rows);
  const paper = /** @type {OffscreenCanvasRenderingContext2D} */ (sheet.getContext("2d", { alpha: false }));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  const picture = paper.createImageData(columns, rows);
  const words = new Uint32Array(picture.data.buffer);
  const boxes = JSON.parse(document.getElementById("text-boxes")?.textContent ?? "[]");

  /** @type {{row: number, column: number, height: number, width: number}[]} */
  const marks = [];

  let waiting = false;
  const draw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const table = new Uint32Array(top + 1);
      const low = state.centre - state.width / 2;
      for (let level = 0; level <= top; level += 1) {
        let grey = Math.min(255, Math.max(0, Math.round((255 * (level - low)) / state.width)));
        if (state.inverted) grey = 255 - grey;
        table[level] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
      }
      for (let place = 0; place < pixels.length; place += 1) words[place] = table[pixels[place]];
      paper.putImageData(picture, 0, 0);
      context.drawImage(sheet, 0, 0, columns, canvas.height);
      context.lineWidth = Math.max(1, columns / 500);
      const outline = (/** @type {any[]} */ some) => {
        for (const box of some) context.strokeRect(box.column, box.row * tall, box.width, box.height * tall);
      };
      context.strokeStyle = "#d3a657";
      if (state.boxes) outline(boxes);
      context.setLineDash([4 * context.lineWidth, 3 * context.lineWidth]);
      outline(marks);
      context.setLineDash([]);
      output.textContent = `centre ${Math.round(state.centre)}, width ${Math.round(state.width)}`;
    });
  };
  const change = (/** @type {number} */ wider, /** @type {number} */ higher) => {
    state.width = Math.min(2 * top, Math.max(1, state.width * (1 + wider)));
    state.centre = Math.min(top, Math.max(0, state.centre + higher * state.width));
    draw();
  };
  const place = (/** @type {PointerEvent} */ event) => {
    const seen = shownPart(canvas);
    const within = (/** @type {number} */ share, /** @type {number} */ size) =>
      Math.round(Math.min(1, Math.max(0, share)) * size);
    return {
      column: within((event.clientX - seen.left) / seen.width, columns),
      row: within((event.clientY - seen.top) / seen.height, rows),
    };
  };
  /** @type {{column: number, row: number} | null} */
  let corner = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (!state.marking) return;
    corner = place(event);
    marks.push({ ...corner, width: 0, height: 0 });
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    if (!corner) {
      change(event.movementX / 200, event.movementY / 300);
      return;
    }
    const { column, row } = place(event);
    marks[marks.length - 1] = {
      column: Math.min(column, corner.column),
      row: Math.min(row, corner.row),
      width: Math.abs(column - corner.column),
      height: Math.abs(row - corner.row),
    };
    draw();
  });
  const release = () => {
    if (!corner) return;
    corner = null;
    const last = marks[marks.length - 1];
    if (last.width < 2 || last.height < 2) marks.pop();
    told();
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  const told = () => {
    const field = /** @type {HTMLInputElement | null} */ (document.querySelector("[data-marks]"));
    if (field) field.value = marks.length ? JSON.stringify(marks) : "";
    const mask = /** @type {HTMLButtonElement | null} */ (document.querySelector("[data-mask]"));
    if (mask) mask.disabled = !marks.length && masked;
    const back = /** @type {HTMLElement | null} */ (document.querySelector("[data-unmark]"));
    if (back) back.hidden = !marks.length;
    const words = document.querySelector("[data-marked]");
    if (words) words.textContent = marks.length ? `${marks.length} marked.` : "";
    draw();
  };
  const masked = Boolean(/** @type {HTMLButtonElement | null} */ (document.querySelector("[data-mask]"))?.disabled);
  document.querySelector("[data-unmark]")?.addEventListener("click", () => {
    marks.pop();
    told();
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-0.05, 0], ArrowRight: [0.05, 0], ArrowUp: [0, -0.03], ArrowDown: [0, 0.03] }[event.key];
    if (!step) return;
    event.preventDefault();
    change(step[0], step[1]);
  });
  root.querySelector("[data-reset]")?.addEventListener("click", () => {
    Object.assign(state, first);
    draw();
  });
  for (const [name, key] of [["invert", "inverted"], ["boxes", "boxes"], ["mark", "marking"]]) {
    const button = root.querySelector(`[data-${name}]`);
    button?.addEventListener("click", () => {
      state[key] = !state[key];
      button.setAttribute("aria-pressed", String(state[key]));
      draw();
    });
  }
  root.querySelector("img")?.remove();
  // Only now is there something that they act on.
  for (const button of root.querySelectorAll("button")) button.disabled = false;
  canvas.hidden = false;
  draw();
}

/** Where in the window the picture lies: the element may be wider than it. @param {HTMLCanvasElement} canvas */
function shownPart(canvas) {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
  const width = canvas.width * scale;
  const height = canvas.height * scale;
  return { left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2, width, height };
}

/** The container of readerstudy/imaging/frames.py. @param {ArrayBuffer} container */
async function decode(container) {
  const head = new DataView(container);
  if (head.getUint32(0) !== 0x52534631) throw new Error("not a frame container");
  const columns = head.getUint16(4, true);
  const rows = head.getUint16(6, true);
  const bits = head.getUint8(8);
  const payload = new Blob([new Uint8Array(container, 16, head.getUint32(12, true))]);
  const plain = payload.stream().pipeThrough(new DecompressionStream("gzip"));
  const planes = new Uint8Array(await new Response(plain).arrayBuffer());
  const size = rows * columns;
  const pixels = new Uint16Array(size);
  for (let row = 0; row < rows; row += 1) {
    let value = row ? pixels[(row - 1) * columns] : 0;
    for (let place = row * columns; place < (row + 1) * columns; place += 1) {
      const code = planes[place] | (planes[size + place] << 8);
      value += (code >>> 1) ^ -(code & 1);
      pixels[place] = value;
      value = pixels[place];
    }
  }
  return { pixels, rows, columns, bits };
}

/** From the 0.5th to the 99.5th percentile. @param {Uint16Array} pixels @param {number} top */
function range(pixels, top) {
  const counts = new Uint32Array(top + 1);
  for (const value of pixels) counts[value] += 1;
  let low = 0;
  for (let sum = 0; low < top && (sum += counts[low]) < 0.005 * pixels.length; ) low += 1;
  let high = top;
  for (let sum = 0; high > low + 1 && (sum += counts[high]) < 0.005 * pixels.length; ) high -= 1;
  return { centre: (low + high) / 2, width: Math.max(1, high - low) };
}
