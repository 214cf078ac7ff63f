import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../src/wire/backoff";
import { parseReaderFrame, parseWriterFrame } from "../../src/wire/frames";
import { asSubprotocol, topicPath } from "../../src/wire/address";
import { readRefusal } from "../../src/wire/gateway";
import { Positions } from "../../src/wire/positions";
import { readConfig, Settings } from "../../src/wire/settings";

test("frames of a writer", () => {
  assert.deepEqual(parseWriterFrame('{"hello":{"sequence":41}}'), { kind: "hello", sequence: 41, refused: [] });
  assert.deepEqual(parseWriterFrame('{"hello":{"sequence":42,"refused":[[5,5],[40,41]]}}'), {
    kind: "hello",
    sequence: 42,
    refused: [
      [5, 5],
      [40, 41],
    ],
  });
  assert.deepEqual(parseWriterFrame('{"ack":42,"offsets":[[0,1,2]]}'), { kind: "ack", sequence: 42 });
  assert.deepEqual(parseWriterFrame('{"refused":42,"error":"row 2: no"}'), {
    kind: "refused",
    sequence: 42,
    error: "row 2: no",
  });
});

test("frames of a reader", () => {
  const text =
    '{"records":[{"topic":"alerts","partition":0,"offset":17,"timestamp":5,"key":"ann","value":{"a":1}},' +
    '{"topic":"alerts","partition":1,"offset":3,"timestamp":6,"key_base64":"/w==","value":null}],' +
    '"position":"alerts:0:18,alerts:1:4","conflated":true}';
  const frame = parseReaderFrame(text);
  assert.ok(frame.kind === "records");
  assert.deepEqual(frame.records, [
    { topic: "alerts", partition: 0, offset: 17, timestamp: 5, key: "ann", value: { a: 1 } },
    { topic: "alerts", partition: 1, offset: 3, timestamp: 6, key: null, value: null },
  ]);
  assert.equal(frame.position.toString(), "alerts:0:18,alerts:1:4");
  assert.equal(frame.conflated, true);
  const hello = parseReaderFrame('{"hello":{"position":""}}');
  assert.ok(hello.kind === "hello" && hello.position.empty);
  const goodbye = parseReaderFrame('{"position":"alerts:0:18"}');
  assert.ok(goodbye.kind === "goodbye" && goodbye.position.toString() === "alerts:0:18");
});

for (const [what, parse, says] of [
  ["{", parseWriterFrame, /a frame of the gateway is JSON/],
  ["[]", parseWriterFrame, /is an object, this one is \[\]/],
  [new ArrayBuffer(1), parseWriterFrame, /this one is binary/],
  ['{"hello":{"sequence":-1}}', parseWriterFrame, /the sequence of hello is a whole number, this one is -1/],
  ['{"hello":{"sequence":1,"refused":[5]}}', parseWriterFrame, /a list of \[first, last\], one of them is 5/],
  ['{"hello":{"sequence":1,"refused":5}}', parseWriterFrame, /a list of \[first, last\], this one is 5/],
  ['{"ack":"42"}', parseWriterFrame, /ack is a whole number, this one is "42"/],
  ['{"other":1}', parseWriterFrame, /wanted hello, ack or refused, got {"other":1}/],
  ['{"records":{}}', parseReaderFrame, /wanted hello or records/],
  ['{"records":[{}],"position":""}', parseReaderFrame, /the topic of a record is a string, this one is absent/],
  ['{"hello":{"position":"alerts:x:1"}}', parseReaderFrame, /topic:partition:offset, this one is "alerts:x:1"/],
] as [unknown, (data: unknown) => unknown, RegExp][]) {
  test(`what is wrong in ${String(what)} is said`, () => {
    assert.throws(() => parse(what), { name: "ProtocolError", message: says });
  });
}

test("positions keep the newest of each partition", () => {
  const positions = Positions.parse("alerts:0:17,phone-data:2:5");
  positions.advance(Positions.parse("alerts:0:18,alerts:3:1"));
  assert.equal(positions.toString(), "alerts:0:18,phone-data:2:5,alerts:3:1");
});

test("back-off doubles up to a limit and begins anew", () => {
  const backoff = new Backoff(100, 1000, () => 1);
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map(() => backoff.nextMs()),
    [100, 200, 400, 800, 1000, 1000],
  );
  backoff.reset();
  assert.equal(backoff.nextMs(), 100);
  assert.equal(new Backoff(100, 1000, () => 0).nextMs(), 75);
});

test("settings of the gateway, and what stands in for those that are not there", () => {
  assert.deepEqual(readConfig({ version: "1", topics: { in: "a", out: "b" }, tile_url: "t" }), {
    version: "1",
    topics: { in: "a", out: "b" },
    tileUrl: "t",
  });
  assert.deepEqual(readConfig(null), { version: "", topics: { in: "phone-data", out: "alerts" }, tileUrl: null });
});

test("addresses of topics are escaped, and only what may be a subprotocol is one", () => {
  const query = { key: "ä&b", from: "a:0:1,b:12:345" };
  assert.equal(topicPath(["a b", "c"], query), "/v1/topics/a%20b,c?key=%C3%A4%26b&from=a:0:1,b:12:345");
  const path = topicPath(["a"], { key: "%3A%2C:,+ &=", from: "latest" });
  assert.equal(new URL(path, "http://x").searchParams.get("key"), "%3A%2C:,+ &=");
  assert.equal(asSubprotocol("eyJh.b_-c"), "tiderace.token.eyJh.b_-c");
  assert.equal(asSubprotocol("a/b="), null);
});

const CONFIG = { version: "1", topics: { in: "rides", out: "crashes" }, tile_url: null };

/** Settings of a gateway that answers what the test says, or is not there. */
function settingsOf(kept = new Map<string, string>()) {
  const world = { answer: (): Response => Response.json(CONFIG), asked: 0 };
  const ask = async () => {
    world.asked += 1;
    return world.answer();
  };
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
  return { world, settings: new Settings(ask, storage), kept };
}

const AWAY = () => {
  throw new TypeError("Failed to fetch");
};

test("settings are asked for until the gateway has answered, and never guessed", async () => {
  const { world, settings } = settingsOf();
  world.answer = AWAY;
  await assert.rejects(settings.get(), /No connection/);
  world.answer = () => new Response("starting", { status: 503 });
  await assert.rejects(settings.get(), /No connection/);
  world.answer = () => Response.json(CONFIG);
  assert.equal((await settings.get()).topics.in, "rides");
  assert.equal((await settings.get()).topics.in, "rides");
  assert.equal(world.asked, 3);
});

test("what the gateway said last holds while it cannot be reached, and no longer", async () => {
  const { kept, settings: before } = settingsOf();
  await before.get();
  const { world, settings } = settingsOf(kept);
  world.answer = AWAY;
  assert.equal((await settings.get()).topics.in, "rides");
  world.answer = () => Response.json({ ...CONFIG, topics: { in: "other", out: "crashes" } });
  assert.equal((await settings.get()).topics.in, "other");
  assert.equal(world.asked, 2);
});

test("settings that the browser has no room for hold all the same", async () => {
  const storage = {
    getItem: () => null,
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  };
  const settings = new Settings(async () => Response.json(CONFIG), storage);
  assert.equal((await settings.get()).topics.in, "rides");
});

test("a gateway that has no settings has the topics of the defaults", async () => {
  const { world, settings } = settingsOf();
  world.answer = () => new Response("", { status: 404 });
  assert.equal((await settings.get()).topics.in, "phone-data");
});

test("a refusal is what the gateway says of it, and none where a socket would be opened", () => {
  const error = (text: string) => JSON.stringify({ error: text });
  assert.deepEqual(readRefusal(404, error("there is no topic alerts"), "GET"), {
    reason: "The gateway refuses: there is no topic alerts",
    wantsToken: false,
  });
  assert.equal(readRefusal(400, error("from: wanted latest"), "GET")?.reason, "The gateway refuses: from: wanted latest");
  assert.deepEqual(readRefusal(401, error("wanted a valid token"), "POST")?.wantsToken, true);
  assert.match(readRefusal(403, "<html>", "GET")?.reason ?? "", /does not allow/);
  assert.match(readRefusal(503, "", "GET")?.reason ?? "", /too many connections/);
  assert.match(readRefusal(431, error("the header is too large"), "GET")?.reason ?? "", /more partitions than fit/);
  assert.match(readRefusal(431, error("the header is too large"), "POST")?.reason ?? "", /: the header is too large$/);
  assert.match(readRefusal(414, "", "GET")?.reason ?? "", /more partitions than fit/);
  assert.equal(readRefusal(426, error("wanted a WebSocket handshake"), "GET"), null);
  assert.equal(readRefusal(405, error("wanted POST"), "GET"), null);
  assert.equal(readRefusal(400, error("no rows"), "POST"), null);
  assert.equal(readRefusal(502, "bad gateway", "GET"), null);
});
