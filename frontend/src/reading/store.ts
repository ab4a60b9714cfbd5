/** What is kept in this browser until the server has it: drafts and the outbox, in IndexedDB. */
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { Answer } from "./types";

export interface Draft {
  /** Presentation id. */
  id: string;
  reader: string;
  answer: Answer;
  /** client_id of the revision that this one grows from. */
  head: string | null;
  revision: number;
  /** client_ids that this draft has grown through, whether or not they reached the server. */
  own: string[];
  activeMs: number;
  changes: number;
  /** The scan was shown for its time: it is not shown again. */
  exposed: boolean;
  exposureMs: number | null;
  submitted: boolean;
  /** When it was kept, to find the newest of two copies. */
  stamp?: number;
}

export interface Letter {
  seq?: number;
  reader: string;
  presentation: string;
  clientId: string;
  kind: "readings" | "failures";
  submitted: boolean;
  practice: boolean;
  body: Record<string, unknown>;
  /** Sent at least once: from then on its content must not change. */
  attempted: boolean;
  /** The server said no, for good, with these words. */
  refused?: string;
}

interface Schema extends DBSchema {
  drafts: { key: string; value: Draft };
  outbox: { key: number; value: Letter };
}

export interface Store {
  readonly lasting: boolean;
  draft(id: string): Promise<Draft | undefined>;
  keepDraft(draft: Draft): Promise<void>;
  dropDraft(id: string): Promise<void>;
  letters(): Promise<Letter[]>;
  keepLetter(letter: Letter): Promise<number>;
  dropLetter(seq: number): Promise<void>;
}

export async function openStore(): Promise<Store> {
  try {
    const database = await openDB<Schema>("reading-room", 1, {
      upgrade(fresh) {
        fresh.createObjectStore("drafts", { keyPath: "id" });
        fresh.createObjectStore("outbox", { keyPath: "seq", autoIncrement: true });
      },
    });
    // Ask the browser not to clear it when the disk is short; a no changes nothing here.
    void navigator.storage?.persist?.().catch(() => false);
    return lasting(database);
  } catch {
    return fleeting();
  }
}

const LAST = "reading-last-draft";

/**
 * A second copy of the draft in hand. IndexedDB writes when it finds the time, and a page that is
 * torn down in the middle of a word has none; this one is written before the call returns.
 */
function noteLast(draft: Draft): void {
  try {
    localStorage.setItem(LAST, JSON.stringify(draft));
  } catch {
    // Full or forbidden: IndexedDB has it a moment later.
  }
}

function lastNoted(id: string): Draft | undefined {
  try {
    const draft = JSON.parse(localStorage.getItem(LAST) ?? "null") as Draft | null;
    return draft?.id === id ? draft : undefined;
  } catch {
    return undefined;
  }
}

function lasting(database: IDBPDatabase<Schema>): Store {
  return {
    lasting: true,
    draft: async (id) => {
      const kept = await database.get("drafts", id);
      const noted = lastNoted(id);
      return (noted?.stamp ?? 0) > (kept?.stamp ?? 0) ? noted : kept;
    },
    keepDraft: async (draft) => {
      draft.stamp = Date.now();
      noteLast(draft);
      await database.put("drafts", draft);
    },
    dropDraft: async (id) => {
      if (lastNoted(id)) localStorage.removeItem(LAST);
      await database.delete("drafts", id);
    },
    letters: () => database.getAll("outbox"),
    keepLetter: (letter) => database.put("outbox", letter),
    dropLetter: (seq) => database.delete("outbox", seq),
  };
}

/** For browsers that forbid IndexedDB: kept in the page's memory, and the reader is told so. */
function fleeting(): Store {
  const drafts = new Map<string, Draft>();
  const letters = new Map<number, Letter>();
  let serial = 0;
  return {
    lasting: false,
    draft: async (id) => drafts.get(id),
    keepDraft: async (draft) => void drafts.set(draft.id, draft),
    dropDraft: async (id) => void drafts.delete(id),
    letters: async () => [...letters.values()],
    keepLetter: async (letter) => {
      const seq = letter.seq ?? ++serial;
      letters.set(seq, { ...letter, seq });
      return seq;
    },
    dropLetter: async (seq) => void letters.delete(seq),
  };
}
