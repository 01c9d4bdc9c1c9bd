import { assertEquals } from "@std/assert";
import { type LaneBounds, type LaneItem, Lanes } from "./lanes.ts";

class Item implements LaneItem<Item> {
  next: Item | null = null;
  constructor(readonly lane: string, readonly name: string, readonly bytes = 1) {}
}

function setUp(bounds: Partial<LaneBounds> = {}) {
  const running: Item[] = [];
  const lanes = new Lanes<Item>({
    maxItems: 1000,
    maxBytes: 1000,
    maxItemsInLane: 1000,
    maxBytesInLane: 1000,
    maxRunning: 1000,
    ...bounds,
  }, (item) => running.push(item));
  return {
    lanes,
    names: () => running.map(({ name }) => name).join(" "),
    finish(name: string) {
      const [item] = running.splice(running.findIndex((item) => item.name === name), 1);
      lanes.finish(item!);
    },
    park(name: string): Item {
      const [item] = running.splice(running.findIndex((item) => item.name === name), 1);
      lanes.park(item!);
      return item!;
    },
  };
}

Deno.test("Lanes runs one item of a lane at a time, in order", () => {
  const { lanes, names, finish } = setUp();
  for (const name of ["a1", "a2", "b1", "a3"]) lanes.push(new Item(name[0]!, name));
  assertEquals(names(), "a1 b1");
  finish("a1");
  assertEquals(names(), "b1 a2");
  finish("b1");
  finish("a2");
  assertEquals(names(), "a3");
  finish("a3");
  assertEquals([lanes.lanes, lanes.items, lanes.bytes, lanes.running], [0, 0, 0, 0]);
});

Deno.test("Lanes runs so many items at once, first come first served", () => {
  const { lanes, names, finish } = setUp({ maxRunning: 2 });
  for (const name of ["a1", "a2", "b1", "c1"]) lanes.push(new Item(name[0]!, name));
  assertEquals(names(), "a1 b1");
  finish("a1");
  assertEquals(names(), "b1 c1");
  finish("c1");
  assertEquals(names(), "b1 a2");
});

Deno.test("Lanes.park() holds its lane and no other", () => {
  const { lanes, names, finish, park } = setUp({ maxRunning: 1 });
  for (const name of ["a1", "a2", "b1"]) lanes.push(new Item(name[0]!, name));
  const parked = park("a1");
  assertEquals(names(), "b1");
  lanes.unpark(parked);
  assertEquals(names(), "b1");
  finish("b1");
  assertEquals(names(), "a1");
  finish("a1");
  assertEquals(names(), "a2");
});

Deno.test("Lanes.hasRoom() keeps each bound", () => {
  const { lanes } = setUp({ maxItems: 4, maxBytes: 100, maxItemsInLane: 2, maxBytesInLane: 50 });
  assertEquals(lanes.hasRoom("a", 50), true);
  assertEquals(lanes.hasRoom("a", 101), false);
  lanes.push(new Item("a", "a1", 40));
  assertEquals(lanes.hasRoom("a", 10), true);
  assertEquals(lanes.hasRoom("a", 11), false);
  assertEquals(lanes.hasRoom("b", 60), true);
  assertEquals(lanes.hasRoom("b", 61), false);
  lanes.push(new Item("a", "a2"));
  assertEquals(lanes.hasRoom("a", 1), false);
  lanes.push(new Item("b", "b1"));
  lanes.push(new Item("c", "c1"));
  assertEquals(lanes.hasRoom("d", 1), false);
});

Deno.test("Lanes.hasRoom() takes the bounds for wider where it is asked to", () => {
  const { lanes } = setUp({ maxItems: 2, maxBytes: 100, maxItemsInLane: 1, maxBytesInLane: 50 });
  lanes.push(new Item("a", "a1", 50));
  assertEquals([lanes.hasRoom("a", 1), lanes.hasRoom("a", 50, 2)], [false, true]);
  assertEquals([lanes.hasRoom("a", 51, 2), lanes.hasRoomInAll(51, 2)], [false, true]);
  lanes.push(new Item("a", "a2", 50));
  assertEquals([lanes.hasRoom("a", 1, 2), lanes.hasRoom("b", 1), lanes.hasRoom("b", 1, 2)], [
    false,
    false,
    true,
  ]);
  lanes.push(new Item("b", "b1", 100));
  assertEquals([lanes.hasRoomInAll(1, 2), lanes.hasRoomInAll(1, 3)], [false, true]);
});

Deno.test("Lanes takes items that finish as soon as they run, thousands of them", () => {
  let count = 0;
  const lanes = new Lanes<Item>({
    maxItems: 1e6,
    maxBytes: 1e6,
    maxItemsInLane: 1e6,
    maxBytesInLane: 1e6,
    maxRunning: 1,
  }, (item) => {
    count++;
    if (item.name === "first") return;
    lanes.finish(item);
  });
  const first = new Item("a", "first");
  lanes.push(first);
  for (let n = 0; n < 20_000; n++) lanes.push(new Item(n % 2 === 0 ? "a" : `${n}`, "other"));
  lanes.finish(first);
  assertEquals([count, lanes.items, lanes.lanes, lanes.running], [20_001, 0, 0, 0]);
});
