import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../src/wire/backoff";
import { parseReaderFrame, parseWriterFrame } from "../../src/wire/frames";
import { asSubprotocol, readConfig, topicPath } from "../../src/wire/gateway";
import { Positions } from "../../src/wire/positions";

test("frames of a writer", () => {
  assert.deepEqual(parseWriterFrame('{"hello":{"sequence":41}}'), { kind: "hello", sequence: 41 });
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
});

for (const [what, parse, says] of [
  ["{", parseWriterFrame, /a frame of the gateway is JSON/],
  ["[]", parseWriterFrame, /is an object, this one is \[\]/],
  [new ArrayBuffer(1), parseWriterFrame, /this one is binary/],
  ['{"hello":{"sequence":-1}}', parseWriterFrame, /the sequence of hello is a whole number, this one is -1/],
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
  assert.equal(topicPath(["a b", "c"], { key: "ä&b", from: "a:0:1" }), "/v1/topics/a%20b,c?key=%C3%A4%26b&from=a%3A0%3A1");
  assert.equal(asSubprotocol("eyJh.b_-c"), "tiderace.token.eyJh.b_-c");
  assert.equal(asSubprotocol("a/b="), null);
});
