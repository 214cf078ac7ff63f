/** A phone without a browser: store and sender over IndexedDB in memory. */

import { IDBFactory, IDBKeyRange } from "fake-indexeddb";
import { Sender } from "../../src/phone/sender";
import { PhoneStore, type Ride } from "../../src/phone/store";
import { Backoff } from "../../src/wire/backoff";
import { FakeClock } from "./fake_clock";
import type { FakeGateway } from "./fake_gateway";

globalThis.IDBKeyRange = IDBKeyRange;

let made = 0;

export function newDisk(): IDBFactory {
  return new IDBFactory();
}

export class Phone {
  private ride: Ride | null = null;

  private constructor(
    readonly store: PhoneStore,
    readonly sender: Sender,
    private readonly clock: FakeClock,
  ) {}

  /** A page that was just opened, which takes the store over. */
  static async open(disk: IDBFactory, gateway: FakeGateway, clock = new FakeClock(), rider = "ann"): Promise<Phone> {
    const store = await PhoneStore.open(disk, `tab-${++made}`, () => `session-${++made}`);
    await store.takeOver();
    const ride = rider === "" ? null : await store.useRider(rider);
    const sender = new Sender({
      store,
      clock,
      prepare: () => Promise.resolve(),
      connect: gateway.connect,
      whyRefused: () => Promise.resolve(gateway.refusal),
      onChange: () => undefined,
      backoff: new Backoff(500, 15_000, () => 1),
    });
    const phone = new Phone(store, sender, clock);
    phone.ride = ride;
    sender.start();
    await phone.quiet();
    return phone;
  }

  async useRider(rider: string): Promise<void> {
    this.ride = await this.store.useRider(rider);
  }

  async measure(...numbers: number[]): Promise<void> {
    if (!this.ride) {
      throw new Error("no rider was chosen");
    }
    await this.store.append(this.ride, numbers.map((n) => JSON.stringify({ n })));
    this.sender.poke();
    await this.quiet();
  }

  async wait(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.quiet();
  }

  /** Until nothing goes on any more. */
  async quiet(): Promise<void> {
    let work: Promise<void>;
    do {
      work = this.sender.settled();
      await work;
      await new Promise((resolve) => setImmediate(resolve));
    } while (work !== this.sender.settled());
  }

  /** Until nothing waits. */
  async drain(): Promise<void> {
    for (let round = 0; (await this.store.counts()).waiting > 0; round += 1) {
      if (round > 2000) {
        throw new Error(`rows still wait: ${JSON.stringify(await this.store.counts())}`);
      }
      await this.wait(1000);
    }
  }
}

export function numbers(gateway: FakeGateway, rider = "ann"): number[] {
  return gateway.stored.filter((stored) => stored.rider === rider).map(({ row }) => (row as { n: number }).n);
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}
