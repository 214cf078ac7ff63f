/**
 * The rows that the gateway does not have yet, in IndexedDB, so that they outlive the page and the browser.
 *
 *     append ──> rows ──next──> messages ──settle──> (the log has them)
 *                                   └─────refuse───> refused (until the user has seen them)
 *
 * A row becomes part of a message once, in the transaction that gives the message its number and makes it durable, before
 * any of it is sent. So a message that is sent again is the same text under the same number, whatever happened in between,
 * and the gateway can tell that it has it. A number is used up by either answer: a message that was refused is never sent
 * again, and where the answer was lost, the gateway's next hello says which numbers it refused.
 *
 * A session belongs to one rider (the key goes with the connection). Rows stay with the rider who was chosen when they
 * were measured: another name begins another session, and sessions are sent in the order in which they were begun.
 *
 * Of several tabs one owns the store. Each transaction that writes looks at that first, so that a tab that was taken over
 * while it slept changes nothing when it wakes: it gets TakenOver.
 */

import type { Range } from "../wire/frames";
import { changeCounts, countAnew, type Counts, readCounts } from "./counts";
import { answer, completed, openDatabase, walk } from "./indexed_db";

const DATABASE = "tiderace-phone";
const VERSION = 1;

/** A message holds at most so much: small beside the gateway's limit, large beside what a connection costs. */
export const MESSAGE_ROWS = 64;
export const MESSAGE_BYTES = 16_000;

/** What is said of a message whose answer was lost, and which the gateway's hello names as refused. */
export const REASON_LOST = "the gateway refused it; its reason was lost with the connection";

export interface Session {
  /** Its place among the sessions. */
  order: number;
  /** Its name at the gateway. */
  id: string;
  rider: string;
  /** The number of the last message that was made. */
  sealed: number;
  /** The number of the last message that the gateway has answered: stored or refused. */
  acked: number;
}

/** Whose rows: what of a session never changes. */
export type Ride = Pick<Session, "order" | "rider">;

export interface Message {
  session: number;
  sequence: number;
  body: string;
  rows: number;
}

export interface Refused {
  rider: string;
  body: string;
  rows: number;
  error: string;
}

interface StoredRow {
  id: number;
  session: number;
  text: string;
}

/** Another tab has taken the store over. */
export class TakenOver extends Error {
  override readonly name = "TakenOver";
}

type Table = "sessions" | "rows" | "messages" | "refused";

const ofSession = (order: number, from = 0, to = Infinity) => IDBKeyRange.bound([order, from], [order, to]);

export class PhoneStore {
  private reopening: Promise<void> | null = null;

  private constructor(
    private readonly factory: IDBFactory,
    private database: IDBDatabase,
    private readonly owner: string,
    private readonly newId: () => string,
  ) {}

  /** @throws Error where the browser keeps nothing */
  static async open(factory: IDBFactory, owner: string, newId: () => string): Promise<PhoneStore> {
    return new PhoneStore(factory, await open(factory), owner, newId);
  }

  close(): void {
    this.database.close();
  }

  /** From here on this store writes, and another that was the owner does not. */
  async takeOver(): Promise<void> {
    const transaction = await this.begin(["meta", "rows", "messages", "refused"], "readwrite");
    const end = completed(transaction);
    transaction.objectStore("meta").put(this.owner, "owner");
    await countAnew(transaction);
    await end;
  }

  /** Makes this rider the current one; returns whose the rows are that are measured from here on. */
  async useRider(rider: string): Promise<Ride> {
    return this.write(["sessions"], async (transaction) => {
      const current = await this.current(transaction);
      if (current?.rider === rider) {
        return { order: current.order, rider };
      }
      const fresh = { id: this.newId(), rider, sealed: 0, acked: 0 };
      const order = (await answer(transaction.objectStore("sessions").add(fresh))) as number;
      transaction.objectStore("meta").put(order, "current");
      return { order, rider };
    });
  }

  /**
   * Rows of a ride, which need not be the current one any more.
   * @throws DOMException QuotaExceededError if there is no room; then none of the rows is kept
   */
  async append({ order, rider }: Ride, texts: string[]): Promise<void> {
    await this.write(["sessions", "rows"], async (transaction) => {
      const session = await this.sessionOf(transaction, order, rider);
      const rows = transaction.objectStore("rows");
      await Promise.all(texts.map((text) => answer(rows.add({ session, text }))));
      await changeCounts(transaction, { waiting: texts.length });
    });
  }

  /** The first session with something to send; else the current one; null before a rider was chosen. */
  async sessionToSend(): Promise<Session | null> {
    return this.write(["sessions", "rows", "messages"], async (transaction) => {
      const current = await this.current(transaction);
      const sessions = await answer(transaction.objectStore("sessions").getAll() as IDBRequest<Session[]>);
      for (const session of sessions.filter(({ order }) => order !== current?.order)) {
        if (await this.hasSomething(transaction, session.order)) {
          return session;
        }
        transaction.objectStore("sessions").delete(session.order);
      }
      return current;
    });
  }

  /**
   * Holds what the gateway says it has of a session against what is here: of the messages up to `sequence` it has refused
   * those in `refused` and stored the others. Returns the session, and how many rows are known to be stored by that.
   *
   * It knows less than it had answered, or more than was ever made: then its sequences or our store are not what they
   * were (another log, a store set back), and numbers of this session mean nothing any more. What is still here goes on under
   * a new name.
   */
  async welcome(order: number, sequence: number, refused: Range[]): Promise<{ session: Session; stored: number }> {
    return this.write(["sessions", "messages", "refused"], async (transaction) => {
      const session = await this.session(transaction, order);
      const stored = await this.resolve(transaction, session, sequence, refused);
      const known = sequence >= session.acked && sequence <= session.sealed;
      const going = known ? { ...session, acked: sequence } : await this.renamed(transaction, session);
      transaction.objectStore("sessions").put(going);
      return { session: going, stored };
    }, "strict");
  }

  /** The message after number `after`, made of waiting rows if there is none yet; null if nothing waits. */
  async next(order: number, after: number): Promise<Message | null> {
    return this.write(["sessions", "rows", "messages"], async (transaction) => {
      const messages = transaction.objectStore("messages");
      const made = await answer(messages.get([order, after + 1]) as IDBRequest<Message | undefined>);
      if (made) {
        return made;
      }
      const session = await this.session(transaction, order);
      if (session.sealed > after) {
        throw new Error(`message ${after + 1} of session ${session.id} is gone, there are some up to ${session.sealed}`);
      }
      const rows = await this.takeRows(transaction, order);
      if (rows.length === 0) {
        return null;
      }
      const message: Message = { session: order, sequence: after + 1, body: `[${rows.join(",")}]`, rows: rows.length };
      messages.add(message);
      transaction.objectStore("sessions").put({ ...session, sealed: message.sequence });
      return message;
    }, "strict");
  }

  /** The gateway has stored this message; those before it have been answered. */
  async settle(order: number, sequence: number): Promise<void> {
    await this.write(["sessions", "messages", "refused"], async (transaction) => {
      const session = await this.session(transaction, order);
      await this.resolve(transaction, session, sequence, []);
      transaction.objectStore("sessions").put({ ...session, acked: sequence });
    });
  }

  /** The gateway has refused this message, and used its number up: its rows are kept for the user to see. */
  async refuse(order: number, sequence: number, error: string): Promise<void> {
    await this.write(["sessions", "messages", "refused"], async (transaction) => {
      const session = await this.session(transaction, order);
      await this.resolve(transaction, session, sequence, [[sequence, sequence]], error);
      transaction.objectStore("sessions").put({ ...session, acked: sequence });
    });
  }

  /** Rows that wait, and rows that the gateway refused; costs the same however many they are. */
  async counts(): Promise<Counts> {
    const transaction = await this.begin(["meta"], "readonly");
    return readCounts(transaction);
  }

  /** The reason of the first refused message that is kept; null: none is. */
  async whyRefused(): Promise<string | null> {
    const transaction = await this.begin(["refused"], "readonly");
    const [first] = await answer(transaction.objectStore("refused").getAll(null, 1) as IDBRequest<Refused[]>);
    return first?.error ?? null;
  }

  async refused(): Promise<Refused[]> {
    const transaction = await this.begin(["refused"], "readonly");
    return answer(transaction.objectStore("refused").getAll() as IDBRequest<Refused[]>);
  }

  async clearRefused(): Promise<void> {
    await this.write(["refused"], async (transaction) => {
      transaction.objectStore("refused").clear();
      await changeCounts(transaction, { refused: -(await readCounts(transaction)).refused });
    });
  }

  /** Rows of a session, taken out of `rows`: as many as fit into one message. */
  private async takeRows(transaction: IDBTransaction, order: number): Promise<string[]> {
    const rows = transaction.objectStore("rows");
    const found: StoredRow[] = [];
    let bytes = 0;
    await walk<StoredRow>(rows.index("session").openCursor(IDBKeyRange.only(order)), (row) => {
      bytes += row.text.length + 1;
      if (found.length > 0 && bytes > MESSAGE_BYTES) {
        return false;
      }
      found.push(row);
      return found.length < MESSAGE_ROWS;
    });
    found.forEach(({ id }) => rows.delete(id));
    return found.map(({ text }) => text);
  }

  /** Removes the messages up to `sequence`: those in `refused` are kept as such. Returns how many rows are stored. */
  private async resolve(
    transaction: IDBTransaction,
    { order, rider }: Session,
    sequence: number,
    refused: Range[],
    error = REASON_LOST,
  ): Promise<number> {
    const messages = transaction.objectStore("messages");
    const range = ofSession(order, 0, sequence);
    const rows = { stored: 0, refused: 0 };
    await walk<Message>(messages.openCursor(range), (message) => {
      const isRefused = refused.some(([first, last]) => first <= message.sequence && message.sequence <= last);
      rows[isRefused ? "refused" : "stored"] += message.rows;
      if (isRefused) {
        transaction.objectStore("refused").add({ rider, body: message.body, rows: message.rows, error });
      }
      return true;
    });
    messages.delete(range);
    await changeCounts(transaction, { waiting: -rows.stored - rows.refused, refused: rows.refused });
    return rows.stored;
  }

  /** The session under a new name, its messages numbered from 1 again, each cut as it was. */
  private async renamed(transaction: IDBTransaction, session: Session): Promise<Session> {
    const messages = transaction.objectStore("messages");
    const left = await answer(messages.getAll(ofSession(session.order)) as IDBRequest<Message[]>);
    messages.delete(ofSession(session.order));
    left.forEach((message, index) => messages.add({ ...message, sequence: index + 1 }));
    return { ...session, id: this.newId(), sealed: left.length, acked: 0 };
  }

  private async hasSomething(transaction: IDBTransaction, order: number): Promise<boolean> {
    const row = await answer(transaction.objectStore("rows").index("session").getKey(order));
    const message = await answer(transaction.objectStore("messages").getKey(ofSession(order)));
    return row !== undefined || message !== undefined;
  }

  /** The session of a ride; a new one where it was dropped, since all that it had was stored, while rows waited in memory. */
  private async sessionOf(transaction: IDBTransaction, order: number, rider: string): Promise<number> {
    const sessions = transaction.objectStore("sessions");
    const found = await answer(sessions.get(order) as IDBRequest<Session | undefined>);
    if (found?.rider === rider) {
      return order;
    }
    const fresh = { id: this.newId(), rider, sealed: 0, acked: 0 };
    // The place is somebody else's only if the store was cleared meanwhile.
    const made = (await answer(found ? sessions.add(fresh) : sessions.put({ ...fresh, order }))) as number;
    const meta = transaction.objectStore("meta");
    if ((await answer(meta.get("current"))) === undefined) {
      meta.put(made, "current");
    }
    return made;
  }

  private async current(transaction: IDBTransaction): Promise<Session | null> {
    const order = await answer(transaction.objectStore("meta").get("current"));
    return order === undefined ? null : this.session(transaction, order);
  }

  private async session(transaction: IDBTransaction, order: number): Promise<Session> {
    const found = await answer(transaction.objectStore("sessions").get(order) as IDBRequest<Session | undefined>);
    if (!found) {
      throw new Error(`session ${order} is gone from the browser's store`);
    }
    return found;
  }

  /** @throws TakenOver */
  private async write<T>(
    tables: Table[],
    work: (transaction: IDBTransaction) => Promise<T>,
    durability: IDBTransactionDurability = "relaxed",
  ): Promise<T> {
    const transaction = await this.begin(["meta", ...tables], "readwrite", { durability });
    const end = completed(transaction);
    end.catch(() => undefined);
    try {
      const owner = await answer(transaction.objectStore("meta").get("owner"));
      if (owner !== this.owner) {
        throw new TakenOver("another tab sends now");
      }
      const result = await work(transaction);
      await end;
      return result;
    } catch (error) {
      giveUp(transaction);
      throw error;
    }
  }

  /** Browsers close a database now and then (the system takes its process away, data are cleared): it is opened anew. */
  private async begin(
    tables: ("meta" | Table)[],
    mode: IDBTransactionMode,
    options?: IDBTransactionOptions,
  ): Promise<IDBTransaction> {
    try {
      return this.database.transaction(tables, mode, options);
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "InvalidStateError") {
        throw error;
      }
    }
    this.reopening ??= this.reopen().finally(() => (this.reopening = null));
    await this.reopening;
    return this.database.transaction(tables, mode, options);
  }

  private async reopen(): Promise<void> {
    this.database = await open(this.factory);
    const transaction = this.database.transaction("meta", "readwrite");
    const end = completed(transaction);
    const meta = transaction.objectStore("meta");
    // Without an owner it is a new database: what was in the last was cleared away under this page.
    if ((await answer(meta.get("owner"))) === undefined) {
      meta.put(this.owner, "owner");
    }
    await end;
  }
}

function open(factory: IDBFactory): Promise<IDBDatabase> {
  return openDatabase(factory, DATABASE, VERSION, (made) => {
    made.createObjectStore("meta");
    made.createObjectStore("sessions", { keyPath: "order", autoIncrement: true });
    made.createObjectStore("rows", { keyPath: "id", autoIncrement: true }).createIndex("session", "session");
    made.createObjectStore("messages", { keyPath: ["session", "sequence"] });
    made.createObjectStore("refused", { keyPath: "id", autoIncrement: true });
  });
}

function giveUp(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It has ended already.
  }
}
