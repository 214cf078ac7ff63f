/**
 * The rows that the gateway does not have yet, in IndexedDB, so that they outlive the page and the browser.
 *
 *     append ──> rows ──next──> messages ──settle──> (the log has them)
 *                               │    ▲
 *                               └refuse: marked; moved to `refused` when a later message is stored
 *
 * A row becomes part of a message once, in the transaction that gives the message its number and makes it durable, before
 * any of it is sent. So a message that is sent again is the same text under the same number, whatever happened in between,
 * and the gateway can tell that it has it.
 *
 * A session belongs to one rider (the key goes with the connection). Rows stay with the rider who was chosen when they
 * were measured: another name begins another session, and sessions are sent in the order in which they were begun.
 *
 * Of several tabs one owns the store. Each transaction that writes looks at that first, so that a tab that was taken over
 * while it slept changes nothing when it wakes: it gets TakenOver.
 */

import { answer, completed, openDatabase, walk } from "./indexed_db";

const DATABASE = "tiderace-phone";
const VERSION = 1;

/** A message holds at most so much: small beside the gateway's limit, large beside what a connection costs. */
export const MESSAGE_ROWS = 64;
export const MESSAGE_BYTES = 16_000;

export interface Session {
  /** Its place among the sessions. */
  order: number;
  /** Its name at the gateway. */
  id: string;
  rider: string;
  /** The number of the last message that was made. */
  sealed: number;
  /** The number of the last message that the gateway said it has stored. */
  acked: number;
}

export interface Message {
  session: number;
  sequence: number;
  body: string;
  rows: number;
  /** Why the gateway refused it, if it did. */
  error?: string;
}

export interface Refused {
  rider: string;
  body: string;
  rows: number;
  error: string;
}

export interface Counts {
  waiting: number;
  refused: number;
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
  private constructor(
    private readonly database: IDBDatabase,
    private readonly owner: string,
    private readonly newId: () => string,
  ) {}

  /** @throws Error where the browser keeps nothing */
  static async open(factory: IDBFactory, owner: string, newId: () => string): Promise<PhoneStore> {
    const database = await openDatabase(factory, DATABASE, VERSION, (made) => {
      made.createObjectStore("meta");
      made.createObjectStore("sessions", { keyPath: "order", autoIncrement: true });
      made.createObjectStore("rows", { keyPath: "id", autoIncrement: true }).createIndex("session", "session");
      made.createObjectStore("messages", { keyPath: ["session", "sequence"] });
      made.createObjectStore("refused", { keyPath: "id", autoIncrement: true });
    });
    return new PhoneStore(database, owner, newId);
  }

  close(): void {
    this.database.close();
  }

  /** From here on this store writes, and another that was the owner does not. */
  async takeOver(): Promise<void> {
    const transaction = this.database.transaction("meta", "readwrite");
    transaction.objectStore("meta").put(this.owner, "owner");
    await completed(transaction);
  }

  /** Rows that are appended from here on are this rider's. */
  async useRider(rider: string): Promise<void> {
    await this.write(["sessions"], async (transaction) => {
      const current = await this.current(transaction);
      if (current?.rider !== rider) {
        const fresh = { id: this.newId(), rider, sealed: 0, acked: 0 };
        const order = await answer(transaction.objectStore("sessions").add(fresh));
        transaction.objectStore("meta").put(order, "current");
      }
    });
  }

  /** @throws DOMException QuotaExceededError if there is no room; then none of the rows is kept */
  async append(texts: string[]): Promise<void> {
    await this.write(["rows"], async (transaction) => {
      const session = await answer(transaction.objectStore("meta").get("current"));
      const rows = transaction.objectStore("rows");
      await Promise.all(texts.map((text) => answer(rows.add({ session, text }))));
    });
  }

  /** The first session with something to send; else the current one; null before a rider was chosen. */
  async sessionToSend(): Promise<Session | null> {
    return this.write(["sessions", "rows", "messages", "refused"], async (transaction) => {
      const current = await this.current(transaction);
      const sessions = await answer(transaction.objectStore("sessions").getAll() as IDBRequest<Session[]>);
      for (const session of sessions.filter(({ order }) => order !== current?.order)) {
        if (await this.hasSomething(transaction, session.order)) {
          return session;
        }
        await this.remove(transaction, session, Infinity);
        transaction.objectStore("sessions").delete(session.order);
      }
      return current;
    });
  }

  /**
   * Holds what the gateway says it has of a session against what is here, and drops what it has.
   *
   * It knows less than it had acknowledged, or more than was ever made: then its sequences or our store are not what they
   * were (another log, a store set back), and numbers of this session mean nothing any more. What is still here goes on under
   * a new name, which is returned.
   */
  async welcome(order: number, sequence: number): Promise<Session> {
    return this.write(["sessions", "messages", "refused"], async (transaction) => {
      const session = await this.session(transaction, order);
      await this.remove(transaction, session, sequence);
      const known = sequence >= session.acked && sequence <= session.sealed;
      const going = known ? { ...session, acked: sequence } : await this.renamed(transaction, session);
      transaction.objectStore("sessions").put(going);
      return going;
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

  /** The gateway has stored this message, and so all before it that it did not refuse. */
  async settle(order: number, sequence: number): Promise<void> {
    await this.write(["sessions", "messages", "refused"], async (transaction) => {
      const session = await this.session(transaction, order);
      await this.remove(transaction, session, sequence);
      transaction.objectStore("sessions").put({ ...session, acked: sequence });
    });
  }

  /** The message stays, marked, since a new connection has to send it again; it leaves with the next that is stored. */
  async refuse(order: number, sequence: number, error: string): Promise<void> {
    await this.write(["messages"], async (transaction) => {
      const messages = transaction.objectStore("messages");
      const message = await answer(messages.get([order, sequence]) as IDBRequest<Message | undefined>);
      if (message) {
        messages.put({ ...message, error });
      }
    });
  }

  /** Rows that wait, and rows that the gateway refused. */
  async counts(): Promise<Counts> {
    const transaction = this.database.transaction(["rows", "messages", "refused"]);
    const counts = { waiting: await answer(transaction.objectStore("rows").count()), refused: 0 };
    await walk<Message>(transaction.objectStore("messages").openCursor(), (message) => {
      counts[message.error === undefined ? "waiting" : "refused"] += message.rows;
      return true;
    });
    await walk<Refused>(transaction.objectStore("refused").openCursor(), (refused) => {
      counts.refused += refused.rows;
      return true;
    });
    return counts;
  }

  async refused(): Promise<Refused[]> {
    const transaction = this.database.transaction(["sessions", "messages", "refused"]);
    const sessions = await answer(transaction.objectStore("sessions").getAll() as IDBRequest<Session[]>);
    const riders = new Map(sessions.map(({ order, rider }) => [order, rider]));
    const found = await answer(transaction.objectStore("refused").getAll() as IDBRequest<Refused[]>);
    await walk<Message>(transaction.objectStore("messages").openCursor(), ({ session, body, rows, error }) => {
      if (error !== undefined) {
        found.push({ rider: riders.get(session) ?? "", body, rows, error });
      }
      return true;
    });
    return found;
  }

  /** Refused messages that a new connection would send again stay. */
  async clearRefused(): Promise<void> {
    await this.write(["refused"], async (transaction) => void transaction.objectStore("refused").clear());
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

  /** Removes messages up to `sequence`; of the refused ones among them the rows are kept for the user to see. */
  private async remove(transaction: IDBTransaction, session: Session, sequence: number): Promise<void> {
    const messages = transaction.objectStore("messages");
    const range = ofSession(session.order, 0, sequence);
    await walk<Message>(messages.openCursor(range), ({ body, rows, error }) => {
      if (error !== undefined) {
        transaction.objectStore("refused").add({ rider: session.rider, body, rows, error });
      }
      return true;
    });
    messages.delete(range);
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
    const rows = transaction.objectStore("rows").index("session");
    if (await answer(rows.getKey(order))) {
      return true;
    }
    let found = false;
    await walk<Message>(transaction.objectStore("messages").openCursor(ofSession(order)), (message) => {
      found = message.error === undefined;
      return !found;
    });
    return found;
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
    const transaction = this.database.transaction(["meta", ...tables], "readwrite", { durability });
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
}

function giveUp(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It has ended already.
  }
}
