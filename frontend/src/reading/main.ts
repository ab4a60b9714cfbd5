/** The reading room's page: finds out where the reader stands and shows that. */
import "./reading.css";
import { Api, ApiError } from "./api";
import { h } from "./dom";
import { Keys } from "./keys";
import { Sheets } from "./overlay";
import { Room } from "./room";
import { stageSheet } from "./stages";
import { openStore } from "./store";
import { onlyHere } from "./onetab";
import type { RoomState } from "./types";

const host = document.querySelector<HTMLElement>("#room");
if (host) void enter(host);

async function enter(host: HTMLElement): Promise<void> {
  const api = new Api(host.dataset.api!);
  const keys = new Keys();
  const room = h("div", { class: "room-inner" });
  host.replaceChildren(room);
  const sheets = new Sheets(host, keys);
  const store = await openStore();
  const renderer = rendererAsked();
  let open = false;

  const go = async (given?: RoomState): Promise<void> => {
    let state = given;
    try {
      state ??= await api.call<RoomState>("GET", "");
    } catch (error) {
      problem(error);
      return;
    }
    if (state.stage !== "reading") {
      // Leaving a session: its viewer, keys and workers go with the page.
      if (open && state.stage !== "review") return location.reload();
      stageSheet({ api, sheets, host: room, keys, go: (next) => void go(next), revisit,
        settled: async () => active?.outbox.settled(5000) ?? true }, state);
      return;
    }
    if (open) return;
    open = true;
    sheets.close(false);
    const current = new Room({ api, keys, sheets, store, host: room, leave: (next) => void go(next), renderer }, state);
    (globalThis as Record<string, unknown>).readingRoom = current;
    active = current;
    await current.open();
  };

  let active: Room | null = null;

  /** From the review page back to one case. */
  const revisit = async (state: RoomState, id: string): Promise<void> => {
    sheets.close(false);
    if (!active) {
      open = true;
      active = new Room({ api, keys, sheets, store, host: room, leave: (next) => void go(next), renderer }, state);
      (globalThis as Record<string, unknown>).readingRoom = active;
      await active.open(id);
      return;
    }
    await active.revisit(id);
  };

  const problem = (error: unknown): void => {
    const status = error instanceof ApiError ? error.status : 0;
    const again = h("button", { class: "button primary", type: "button", autofocus: true, onclick: () => location.reload() }, "Try again");
    const signIn = h("a", { class: "button primary", href: `${host.dataset.signIn}?next=${encodeURIComponent(location.pathname)}` }, "Sign in");
    sheets.show({
      title: status === 401 ? "Signed out" : "The room cannot be opened",
      content: [
        h("p", {}, status === 401 ? "Please sign in again. Nothing is lost."
          : status ? (error as Error).message
          : "The server cannot be reached. Answers that were given are kept in this browser."),
        status === 401 ? signIn : again,
      ],
    });
  };

  if (await onlyHere(host.dataset.study!, sheets)) await go();
}

/** For tests and for machines whose graphics driver misbehaves: ?renderer=canvas or webgl2. */
function rendererAsked(): "auto" | "webgl2" | "canvas" {
  const asked = new URLSearchParams(location.search).get("renderer");
  return asked === "webgl2" || asked === "canvas" ? asked : "auto";
}
