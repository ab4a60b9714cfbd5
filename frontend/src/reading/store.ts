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
  activeMs: number;
  changes: number;
  /** The scan was shown for its time: it is not shown again. */
  exposed: boolean;
  exposureMs: number | null;
  submitted: boolean;
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

function lasting(database: IDBPDatabase<Schema>): Store {
  return {
    lasting: true,
    draft: (id) => database.get("drafts", id),
    keepDraft: async (draft) => void (await database.put("drafts", draft)),
    dropDraft: (id) => database.delete("drafts", id),
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
