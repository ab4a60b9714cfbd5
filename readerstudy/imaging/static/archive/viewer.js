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
  const state = { ...first, inverted: false, boxes: true };
  canvas.width = columns;
  canvas.height = rows;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  const picture = context.createImageData(columns, rows);
  const words = new Uint32Array(picture.data.buffer);
  const boxes = JSON.parse(document.getElementById("text-boxes")?.textContent ?? "[]");

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
      context.putImageData(picture, 0, 0);
      if (state.boxes) {
        context.lineWidth = Math.max(1, columns / 500);
        context.strokeStyle = "#d3a657";
        for (const box of boxes) context.strokeRect(box.column, box.row, box.width, box.height);
      }
      output.textContent = `centre ${Math.round(state.centre)}, width ${Math.round(state.width)}`;
    });
  };
  const change = (/** @type {number} */ wider, /** @type {number} */ higher) => {
    state.width = Math.min(2 * top, Math.max(1, state.width * (1 + wider)));
    state.centre = Math.min(top, Math.max(0, state.centre + higher * state.width));
    draw();
  };
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) change(event.movementX / 200, event.movementY / 300);
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
  for (const name of ["invert", "boxes"]) {
    const button = root.querySelector(`[data-${name}]`);
    button?.addEventListener("click", () => {
      const key = name === "invert" ? "inverted" : "boxes";
      state[key] = !state[key];
      button.setAttribute("aria-pressed", String(state[key]));
      draw();
    });
  }
  root.querySelector("img")?.remove();
  canvas.hidden = false;
  draw();
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
