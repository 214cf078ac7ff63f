/**
 * How many rows wait, and how many were refused. Counting them takes long where there are many, and the page shows the
 * numbers four times a second, so they are kept in `meta`, and change in the transaction that changes what they are of.
 */

import { answer, walk } from "./indexed_db";

/** Rows. */
export interface Counts {
  waiting: number;
  refused: number;
}

const KEY = "counts";

/** @param transaction one that has the table `meta`, as for all of these */
export async function readCounts(transaction: IDBTransaction): Promise<Counts> {
  const found = await answer(transaction.objectStore("meta").get(KEY) as IDBRequest<Counts | undefined>);
  return found ?? { waiting: 0, refused: 0 };
}

export async function changeCounts(transaction: IDBTransaction, change: Partial<Counts>): Promise<void> {
  const counts = await readCounts(transaction);
  counts.waiting += change.waiting ?? 0;
  counts.refused += change.refused ?? 0;
  transaction.objectStore("meta").put(counts, KEY);
}

/** Counts all that there is. @param transaction one that has `rows`, `messages` and `refused`, too */
export async function countAnew(transaction: IDBTransaction): Promise<void> {
  const counts: Counts = { waiting: await answer(transaction.objectStore("rows").count()), refused: 0 };
  await walk<{ rows: number }>(transaction.objectStore("messages").openCursor(), ({ rows }) => {
    counts.waiting += rows;
    return true;
  });
  await walk<{ rows: number }>(transaction.objectStore("refused").openCursor(), ({ rows }) => {
    counts.refused += rows;
    return true;
  });
  transaction.objectStore("meta").put(counts, KEY);
}
