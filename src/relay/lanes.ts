/** Bounds of what may wait, by number and by bytes, in one lane and in all. */
export interface LaneBounds {
  readonly maxItems: number;
  readonly maxBytes: number;
  readonly maxItemsInLane: number;
  readonly maxBytesInLane: number;
  /** How many items may run at once. */
  readonly maxRunning: number;
}

/** What can stand in a lane. `next` is the lanes' own. */
export interface LaneItem<Item> {
  /** The lane that it stands in. */
  readonly lane: string;
  /** What it counts for. */
  readonly bytes: number;
  next: Item | null;
}

interface Lane<Item> {
  last: Item;
  items: number;
  bytes: number;
}

/**
 * Many queues side by side. Within a lane an item runs when the one before it is finished; lanes do not wait
 * for each other, but at most so many items run at once. A lane is there for as long as something is in it.
 *
 * Whoever runs an item says how it went on: {@linkcode park} and later {@linkcode unpark} while it waits, and
 * {@linkcode finish} in the end.
 */
export class Lanes<Item extends LaneItem<Item>> {
  /** Items in all lanes, those that run included. */
  items = 0;
  bytes = 0;
  running = 0;
  readonly #bounds: LaneBounds;
  readonly #run: (item: Item) => void;
  readonly #lanes = new Map<string, Lane<Item>>();
  /** Items that may run now, from `#readyAt` on; before it there is nothing, lest it keeps them alive. */
  #ready: (Item | null)[] = [];
  #readyAt = 0;
  #starting = false;

  constructor(bounds: LaneBounds, run: (item: Item) => void) {
    this.#bounds = bounds;
    this.#run = run;
  }

  /** How many lanes there are. */
  get lanes(): number {
    return this.#lanes.size;
  }

  /**
   * Whether there is room for another item of `bytes` in a lane.
   *
   * @param times How many times as wide as they are the bounds are to be taken.
   */
  hasRoom(name: string, bytes: number, times: number = 1): boolean {
    if (!this.hasRoomInAll(bytes, times)) return false;
    const { maxItemsInLane, maxBytesInLane } = this.#bounds;
    const lane = this.#lanes.get(name);
    return lane === undefined ||
      (lane.items < maxItemsInLane * times && lane.bytes + bytes <= maxBytesInLane * times);
  }

  /** The same, where the lane's own bounds do not matter. */
  hasRoomInAll(bytes: number, times: number = 1): boolean {
    const { maxItems, maxBytes } = this.#bounds;
    return this.items < maxItems * times && this.bytes + bytes <= maxBytes * times;
  }

  /** Puts an item at the end of its lane, within bounds or not. It may run before this returns. */
  push(item: Item): void {
    this.items++;
    this.bytes += item.bytes;
    const lane = this.#lanes.get(item.lane);
    if (lane === undefined) {
      this.#lanes.set(item.lane, { last: item, items: 1, bytes: item.bytes });
      this.#makeReady(item);
    } else {
      lane.last.next = item;
      lane.last = item;
      lane.items++;
      lane.bytes += item.bytes;
    }
  }

  /** A running item waits: another may run in its place, but none of its lane. */
  park(_item: Item): void {
    this.running--;
    this.#start();
  }

  /** A parked item wants to run again. */
  unpark(item: Item): void {
    this.#makeReady(item);
  }

  /** A running item is done with: the next of its lane may run. */
  finish(item: Item): void {
    this.running--;
    this.items--;
    this.bytes -= item.bytes;
    const lane = this.#lanes.get(item.lane)!;
    const { next } = item;
    item.next = null;
    if (next === null) {
      this.#lanes.delete(item.lane);
      this.#start();
    } else {
      lane.items--;
      lane.bytes -= item.bytes;
      this.#makeReady(next);
    }
  }

  #makeReady(item: Item): void {
    this.#ready.push(item);
    this.#start();
  }

  #start(): void {
    if (this.#starting) return; // an item that finishes at once: the loop below goes on
    this.#starting = true;
    while (this.running < this.#bounds.maxRunning && this.#readyAt < this.#ready.length) {
      const item = this.#ready[this.#readyAt]!;
      this.#ready[this.#readyAt++] = null;
      if (this.#readyAt === this.#ready.length) {
        this.#ready.length = 0;
        this.#readyAt = 0;
      } else if (this.#readyAt >= 1024 && this.#readyAt * 2 >= this.#ready.length) {
        this.#ready = this.#ready.slice(this.#readyAt);
        this.#readyAt = 0;
      }
      this.running++;
      this.#run(item);
    }
    this.#starting = false;
  }
}
