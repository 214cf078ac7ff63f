/** IndexedDB by promises. */

export function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Resolves once the transaction is on disk, as far as its durability goes. */
export function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was given up"));
  });
}

/** Calls `take` with one entry after the other until it says false. */
export function walk<T>(request: IDBRequest<IDBCursorWithValue | null>, take: (value: T) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor && take(cursor.value as T)) {
        cursor.continue();
      } else {
        resolve();
      }
    };
  });
}

/** @throws Error where the browser keeps nothing (a private window of some, storage switched off) */
export function openDatabase(
  factory: IDBFactory,
  name: string,
  version: number,
  create: (database: IDBDatabase) => void,
): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = factory.open(name, version);
    request.onupgradeneeded = () => create(request.result);
    request.onsuccess = () => {
      // A newer page may change the tables; this one hears when it opens them again that it is too old.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => {
      if (request.error?.name === "VersionError") {
        reject(new Error("A newer version of this page is open in another tab: load this one again."));
        return;
      }
      reject(
        new Error(
          `This browser does not let the page keep rows (${request.error?.message ?? "no reason given"}). ` +
            "In a private window, open the page in an ordinary one.",
        ),
      );
    };
  });
}
