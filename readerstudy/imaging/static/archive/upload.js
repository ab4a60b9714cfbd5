// @ts-check
/** The import page: choose a source; send files one by one, each tried again on its own. */

const AT_ONCE = 3;
const TRIES = 4;

/** @param {HTMLFormElement} form */
function begin(form) {
  const kind = /** @type {HTMLInputElement} */ (form.elements.namedItem("kind"));
  const start = /** @type {HTMLButtonElement} */ (form.querySelector("[data-start]"));
  const tabs = [...form.querySelectorAll("[data-kind]")];
  const choose = (/** @type {string} */ chosen) => {
    kind.value = chosen;
    for (const tab of tabs) {
      const on = /** @type {HTMLElement} */ (tab).dataset.kind === chosen;
      tab.classList.toggle("active", on);
      tab.setAttribute("aria-selected", String(on));
    }
    form.querySelectorAll("[data-source]").forEach((panel) => {
      const element = /** @type {HTMLElement} */ (panel);
      element.hidden = element.dataset.source !== chosen;
    });
  };
  for (const tab of tabs) tab.addEventListener("click", () => choose(/** @type {HTMLElement} */ (tab).dataset.kind ?? ""));
  choose(form.dataset.chosen ?? "upload");

  const sender = new Sender(form, (busy) => {
    start.disabled = busy && kind.value === "upload";
  });
  form.querySelectorAll("[data-files]").forEach((input) =>
    input.addEventListener("change", () => {
      const chosen = /** @type {HTMLInputElement} */ (input);
      sender.add([...(chosen.files ?? [])].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
      chosen.value = "";
    }),
  );
  const drop = /** @type {HTMLElement} */ (form.querySelector(".upload-drop"));
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    sender.add(await dropped(event.dataTransfer));
  });
  form.querySelector("[data-retry]")?.addEventListener("click", () => sender.retry());
}

/** Files of a drop, folders walked. @param {DataTransfer | null} transfer */
async function dropped(transfer) {
  /** @type {{file: File, name: string}[]} */
  const found = [];
  const walk = async (/** @type {any} */ entry, /** @type {string} */ path) => {
    if (entry.isFile) {
      found.push({ file: await new Promise((ok, no) => entry.file(ok, no)), name: path + entry.name });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((ok, no) => reader.readEntries(ok, no));
      if (!some.length) return;
      for (const one of some) await walk(one, `${path}${entry.name}/`);
    }
  };
  const entries = [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  for (const entry of entries) await walk(entry, "");
  return found;
}

class Sender {
  /** @param {HTMLFormElement} form @param {(busy: boolean) => void} tell */
  constructor(form, tell) {
    this.form = form;
    this.tell = tell;
    /** @type {{file: File, name: string, row: HTMLElement, state: string}[]} */
    this.all = [];
    this.active = 0;
    this.list = /** @type {HTMLElement} */ (form.querySelector("[data-list]"));
    this.status = /** @type {HTMLElement} */ (form.querySelector("[data-status]"));
    this.bar = /** @type {HTMLElement} */ (form.querySelector("[data-bar]"));
    this.again = /** @type {HTMLButtonElement} */ (form.querySelector("[data-retry]"));
  }

  /** @param {{file: File, name: string}[]} files */
  add(files) {
    const known = new Set(this.all.map((one) => one.name));
    for (const { file, name } of files) {
      if (known.has(name)) continue;
      const row = document.createElement("li");
      for (const text of [name, size(file.size), "waits"]) {
        const cell = document.createElement("span");
        cell.textContent = text;
        row.append(cell);
      }
      row.firstElementChild?.classList.add("name");
      if (this.list.childElementCount < 500) this.list.append(row);
      this.all.push({ file, name, row, state: "waits" });
    }
    /** @type {HTMLElement} */ (this.form.querySelector("[data-progress]")).hidden = false;
    this.next();
  }

  retry() {
    for (const one of this.all) if (one.state === "failed") this.mark(one, "waits");
    this.next();
  }

  next() {
    while (this.active < AT_ONCE) {
      const one = this.all.find((file) => file.state === "waits");
      if (!one) break;
      this.active += 1;
      this.mark(one, "sending");
      void this.send(one).finally(() => {
        this.active -= 1;
        this.next();
      });
    }
    this.report();
  }

  /** @param {Sender["all"][number]} one */
  async send(one) {
    for (let attempt = 1; attempt <= TRIES; attempt += 1) {
      const body = new FormData();
      body.append("name", one.name);
      body.append("file", one.file);
      try {
        const answer = await fetch(this.form.dataset.uploadUrl ?? "", {
          method: "POST",
          body,
          headers: { "X-CSRFToken": token(this.form) },
        });
        if (answer.ok) {
          /** @type {HTMLInputElement} */ (this.form.elements.namedItem("upload")).value = this.form.dataset.upload ?? "";
          return this.mark(one, "arrived");
        }
        if (answer.status < 500) {
          const said = await answer.json().catch(() => ({}));
          return this.mark(one, "refused", said.error ?? `refused (${answer.status})`);
        }
      } catch {
        // The connection dropped: this file alone is sent again.
      }
      if (attempt < TRIES) await new Promise((go) => setTimeout(go, 500 * 2 ** attempt));
    }
    this.mark(one, "failed", "did not arrive");
  }

  /** @param {Sender["all"][number]} one @param {string} state @param {string} [words] */
  mark(one, state, words) {
    one.state = state;
    const cell = one.row.lastElementChild;
    if (cell) cell.textContent = words ?? state;
    this.report();
  }

  report() {
    const count = (/** @type {string} */ state) => this.all.filter((one) => one.state === state).length;
    const arrived = count("arrived");
    const open = count("waits") + count("sending");
    const failed = count("failed");
    const refused = count("refused");
    const percent = this.all.length ? Math.round((100 * (this.all.length - open)) / this.all.length) : 0;
    this.bar.style.width = `${percent}%`;
    this.bar.parentElement?.setAttribute("aria-valuenow", String(percent));
    this.status.textContent =
      `${arrived} of ${this.all.length} files have arrived` +
      (failed ? `; ${failed} did not` : "") +
      (refused ? `; ${refused} were refused` : "") +
      (open ? "." : ". Start the import when you are ready.");
    this.again.hidden = !failed;
    this.tell(open > 0);
  }
}

/** @param {HTMLFormElement} form */
function token(form) {
  return /** @type {HTMLInputElement} */ (form.elements.namedItem("csrfmiddlewaretoken")).value;
}

/** @param {number} bytes */
function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("form[data-import]"));
if (form) begin(form);
