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
  /** Rises with every change, whatever the clock does: finds the newest of two copies. */
  stamp?: number;
}

export interface Letter {
  /** Its number in the store; none while it is being written, or cannot be. */
  seq?: number;
  /** Being written just now. */
  fresh?: boolean;
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
  /** Its revision was numbered anew once, after the server missed one. */
  renumbered?: boolean;
}

interface Schema extends DBSchema {
  drafts: { key: string; value: Draft };
  outbox: { key: number; value: Letter };
}

export interface Store {
  /** False once something could not be written: then it lives in the page's memory only. */
  readonly lasting: boolean;
  draft(id: string): Promise<Draft | undefined>;
  keepDraft(draft: Draft): Promise<void>;
  dropDraft(id: string): Promise<void>;
  letters(): Promise<Letter[]>;
  /** The letter's number in the store; undefined when it could not be kept. Never throws. */
  keepLetter(letter: Letter): Promise<number | undefined>;
  dropLetter(seq: number): Promise<void>;
}

// A browser with a damaged profile may never answer: the room opens all the same.
const PATIENCE_MS = 4000;

export async function openStore(): Promise<Store> {
  try {
    const late = new Promise<never>((_, reject) =>
      setTimeout(() => reject(new Error("no answer")), PATIENCE_MS));
    const database = await Promise.race([connect(), late]);
    // Ask the browser not to clear it when the disk is short; a no changes nothing here.
    void navigator.storage?.persist?.().catch(() => false);
    return new Lasting(database, new Set(await Promise.race([database.getAllKeys("drafts"), late])));
  } catch {
    return new Fleeting();
  }
}

function connect(): Promise<IDBPDatabase<Schema>> {
  return openDB<Schema>("reading-room", 1, {
    upgrade(fresh) {
      fresh.createObjectStore("drafts", { keyPath: "id" });
      fresh.createObjectStore("outbox", { keyPath: "seq", autoIncrement: true });
    },
  });
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

const newest = (drafts: (Draft | undefined)[]): Draft | undefined =>
  drafts.reduce((best, each) => ((each?.stamp ?? -1) > (best?.stamp ?? -1) ? each : best), undefined);

/** IndexedDB; what it does not take (disk full, profile gone) is held in memory meanwhile. */
class Lasting implements Store {
  lasting = true;
  private memory = new Fleeting();

  /** ``known``: cases with a draft here. For all others the next case need not wait for the disk. */
  constructor(
    private database: IDBPDatabase<Schema>,
    private known: Set<string>,
  ) {}

  /** Undefined when it could not be done, after a try on a fresh connection. */
  private async attempt<T>(deed: (database: IDBPDatabase<Schema>) => Promise<T>): Promise<T | undefined> {
    try {
      return await deed(this.database);
    } catch (error) {
      // The browser closes connections when it must: that is no reason to give up on the disk.
      if ((error as Error).name !== "InvalidStateError") return undefined;
      try {
        this.database = await connect();
        return await deed(this.database);
      } catch {
        return undefined;
      }
    }
  }

  async draft(id: string): Promise<Draft | undefined> {
    const kept = this.known.has(id) ? await this.attempt((database) => database.get("drafts", id)) : undefined;
    return newest([kept, lastNoted(id), await this.memory.draft(id)]);
  }

  async keepDraft(draft: Draft): Promise<void> {
    noteLast(draft);
    this.known.add(draft.id);
    this.lasting = (await this.attempt((database) => database.put("drafts", draft))) !== undefined;
    if (this.lasting) await this.memory.dropDraft(draft.id);
    else await this.memory.keepDraft(draft);
  }

  async dropDraft(id: string): Promise<void> {
    if (lastNoted(id)) localStorage.removeItem(LAST);
    this.known.delete(id);
    await this.memory.dropDraft(id);
    await this.attempt((database) => database.delete("drafts", id));
  }

  async letters(): Promise<Letter[]> {
    return (await this.attempt((database) => database.getAll("outbox"))) ?? [];
  }

  async keepLetter(letter: Letter): Promise<number | undefined> {
    const seq = await this.attempt((database) => database.put("outbox", letter));
    this.lasting = seq !== undefined;
    return seq;
  }

  async dropLetter(seq: number): Promise<void> {
    // Left behind, it is sent once more after a reload, and the server knows it.
    await this.attempt((database) => database.delete("outbox", seq));
  }
}

/** For browsers that forbid IndexedDB: kept in the page's memory, and the reader is told so. */
class Fleeting implements Store {
  readonly lasting = false;
  private drafts = new Map<string, Draft>();

  async draft(id: string): Promise<Draft | undefined> {
    return newest([this.drafts.get(id), lastNoted(id)]);
  }

  async keepDraft(draft: Draft): Promise<void> {
    noteLast(draft);
    this.drafts.set(draft.id, draft);
  }

  async dropDraft(id: string): Promise<void> {
    this.drafts.delete(id);
  }

  async letters(): Promise<Letter[]> {
    return [];
  }

  async keepLetter(): Promise<undefined> {}

  async dropLetter(): Promise<void> {}
}
