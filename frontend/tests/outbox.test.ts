/** The queue: nothing lost, nothing doubled, nothing called saved that is not. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Api, ApiError, Unreachable } from "../src/reading/api";
import { Outbox, type Saving } from "../src/reading/outbox";
import type { Letter, Store } from "../src/reading/store";

let serial = 0;

function letter(presentation: string, revision: number, submitted: boolean, comment = ""): Letter {
  return {
    reader: "me", presentation, clientId: `c${++serial}`, kind: "readings", submitted, practice: false,
    attempted: false, body: { revision, based_on: null, submitted, answer: { comment } },
  };
}

/** A store that takes its time, and can be full. */
class Disk implements Store {
  lasting = true;
  full = false;
  kept = new Map<number, Letter>();
  private next = 0;
  async draft(): Promise<undefined> {}
  async keepDraft(): Promise<void> {}
  async dropDraft(): Promise<void> {}
  async letters(): Promise<Letter[]> {
    return [...this.kept.values()].map((each) => structuredClone(each));
  }
  async keepLetter(each: Letter): Promise<number | undefined> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    this.lasting = !this.full;
    if (this.full) return undefined;
    const seq = each.seq ?? ++this.next;
    this.kept.set(seq, { ...structuredClone(each), seq });
    return seq;
  }
  async dropLetter(seq: number): Promise<void> {
    this.kept.delete(seq);
  }
}

/** A server that keeps the first content of every id, as the real one does. */
class Server {
  taken = new Map<string, Record<string, unknown>>();
  order: string[] = [];
  fail: ((path: string) => Error | null) | null = null;
  async call(_method: string, path: string, body: unknown): Promise<unknown> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const error = this.fail?.(path);
    if (error) throw error;
    const id = path.split("/").at(-1)!;
    if (!this.taken.has(id)) {
      this.taken.set(id, structuredClone(body) as Record<string, unknown>);
      this.order.push(path.split("/")[2]!);
    }
    return { revision: 1 };
  }
}

function open(server: Server, disk: Disk): { outbox: Outbox; said: Saving[]; events: Record<string, ReturnType<typeof vi.fn>> } {
  const said: Saving[] = [];
  const events = { recorded: vi.fn(), conflict: vi.fn(), refused: vi.fn(), dropped: vi.fn() };
  const outbox = new Outbox(server as unknown as Api, disk, "me", {
    ...events,
    status: (saving, pending) => {
      // The promise itself: never "saved" while something waits.
      if (saving === "saved") expect(pending).toEqual([]);
      said.push(saving);
    },
  });
  return { outbox, said, events };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("window", globalThis);
  vi.stubGlobal("addEventListener", () => undefined);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the outbox", () => {
  it("keeps the newer of two answers when the older one is just being written", async () => {
    const [server, disk] = [new Server(), new Disk()];
    const { outbox } = open(server, disk);
    await outbox.open();
    // a letter on its way keeps the queue running while a draft and the answer come after each other
    void outbox.post(letter("a", 1, true));
    await vi.advanceTimersByTimeAsync(10);
    void outbox.post(letter("b", 1, false, "half"));
    await vi.advanceTimersByTimeAsync(16);
    void outbox.post(letter("b", 1, true, "whole"));
    await vi.advanceTimersByTimeAsync(500);
    const last = [...server.taken.values()].at(-1)!;
    expect(last.answer).toEqual({ comment: "whole" });
    expect(outbox.status).toBe("saved");
    expect(disk.kept.size).toBe(0);
  });

  it.each([0, 1, 3, 5, 6, 8, 12, 20, 24, 26, 30])("keeps it whatever the delay (%i ms)", async (delay) => {
    const [server, disk] = [new Server(), new Disk()];
    const { outbox } = open(server, disk);
    await outbox.open();
    void outbox.post(letter("a", 1, true));
    await vi.advanceTimersByTimeAsync(delay);
    void outbox.post(letter("b", 1, false, "half"));
    await vi.advanceTimersByTimeAsync(delay);
    void outbox.post(letter("b", 2, true, "whole"));
    await vi.advanceTimersByTimeAsync(500);
    const ofB = [...server.taken.values()].filter((body) => body.answer && (body.answer as { comment: string }).comment);
    expect(ofB.at(-1)!.answer).toEqual({ comment: "whole" });
    expect(outbox.pending()).toEqual([]);
  });

  it("sends what the disk does not take, and says that it would not last", async () => {
    const [server, disk] = [new Server(), new Disk()];
    disk.full = true;
    server.fail = () => new Unreachable("no network");
    const { outbox, said } = open(server, disk);
    await outbox.open();
    await vi.advanceTimersByTimeAsync(10);
    said.length = 0;
    await Promise.all([outbox.post(letter("a", 1, true)), vi.advanceTimersByTimeAsync(100)]);
    expect(outbox.status).toBe("waiting");
    expect(outbox.lasting).toBe(false);
    expect(said).not.toContain("saved");
    server.fail = null;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.order).toEqual(["a"]);
    expect(outbox.status).toBe("saved");
  });

  it("lives through an hour without network, and sends everything once and in order", async () => {
    const [server, disk] = [new Server(), new Disk()];
    let tries = 0;
    server.fail = () => (tries++, new Unreachable("no network"));
    const { outbox } = open(server, disk);
    await outbox.open();
    for (const id of ["a", "b", "c"]) {
      await Promise.all([outbox.post(letter(id, 1, true)), vi.advanceTimersByTimeAsync(100)]);
    }
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(outbox.pending()).toHaveLength(3);
    // asked every 15 s at the most rarely, and not more often than that in the long run
    expect(tries).toBeGreaterThan(230);
    expect(tries).toBeLessThan(270);
    // the browser is closed and opened again meanwhile
    outbox.stop();
    const again = open(server, disk);
    server.fail = null;
    await again.outbox.open();
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.order).toEqual(["a", "b", "c"]);
    expect(again.outbox.status).toBe("saved");
    expect(disk.kept.size).toBe(0);
  });

  it("goes on with other cases when the server fails on one", async () => {
    const [server, disk] = [new Server(), new Disk()];
    server.fail = (path) => (path.includes("/a/") ? new ApiError(500, "", "") : null);
    const { outbox } = open(server, disk);
    await outbox.open();
    for (const id of ["a", "b", "c"]) void outbox.post(letter(id, 1, true));
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.order).toEqual(["b", "c"]);
    expect(outbox.status).toBe("waiting");
    server.fail = null;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(server.order).toEqual(["b", "c", "a"]);
    expect(outbox.status).toBe("saved");
  });

  it("lets go of a draft that cannot be used, and numbers the answer in its place", async () => {
    const [server, disk] = [new Server(), new Disk()];
    const { outbox, events } = open(server, disk);
    const [draft, answer] = [letter("a", 1, false), letter("a", 2, true)];
    answer.body.based_on = draft.clientId;
    server.fail = (path) => (path.endsWith(draft.clientId) ? new ApiError(422, "not-valid", "No.") : null);
    await outbox.open();
    void outbox.post(draft);
    await vi.advanceTimersByTimeAsync(10);
    void outbox.post(answer);
    await vi.advanceTimersByTimeAsync(500);
    expect(events.refused).not.toHaveBeenCalled();
    expect(events.dropped).toHaveBeenCalledOnce();
    expect(server.taken.get(answer.clientId)).toMatchObject({ revision: 1, based_on: null });
    expect(outbox.status).toBe("saved");
  });

  it("closes a gap that lost storage has left", async () => {
    const [server, disk] = [new Server(), new Disk()];
    const answer = letter("a", 3, true);
    let asked = 0;
    server.fail = () => (asked++ ? null : new ApiError(409, "gap", "", { latest: 0 }));
    const { outbox } = open(server, disk);
    await outbox.open();
    void outbox.post(answer);
    await vi.advanceTimersByTimeAsync(500);
    expect(server.taken.get(answer.clientId)).toMatchObject({ revision: 1, based_on: null });
  });

  it("never changes a letter of another page: that one may have sent it", async () => {
    const [server, disk] = [new Server(), new Disk()];
    server.fail = () => new Unreachable("no network");
    const { outbox } = open(server, disk);
    await outbox.open();
    await Promise.all([outbox.post(letter("a", 1, false, "first")), vi.advanceTimersByTimeAsync(100)]);
    for (const each of disk.kept.values()) each.attempted = false;
    const second = open(server, disk);
    await second.outbox.open();
    void second.outbox.post(letter("a", 2, false, "second"));
    await vi.advanceTimersByTimeAsync(100);
    expect(second.outbox.pending().map((each) => (each.body.answer as { comment: string }).comment))
      .toEqual(["first", "second"]);
  });

  it("is not saved while a change waits to be posted", async () => {
    const { outbox, said } = open(new Server(), new Disk());
    await outbox.open();
    await vi.advanceTimersByTimeAsync(10);
    outbox.expect();
    expect(outbox.status).toBe("saving");
    void outbox.post(letter("a", 1, false));
    await vi.advanceTimersByTimeAsync(100);
    expect(said.at(-1)).toBe("saved");
  });
});
