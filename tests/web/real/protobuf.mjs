// Protocol buffers, as far as Chromium's push client needs them. A message is `[number, value]` pairs; a value is text or bytes,
// a number (varint), or a bigint (fixed64).

export function message(...fields) {
  return Buffer.concat(fields.map(([number, value]) => encode(number, value)));
}

function encode(number, value) {
  if (typeof value === "bigint") {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return Buffer.concat([varint((number << 3) | 1), bytes]);
  }
  if (typeof value === "number") return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value) {
  const bytes = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

/** `{ value, end }`; undefined where the bytes end before the number does. */
function readVarint(bytes, start) {
  let value = 0n;
  for (let at = start; at < bytes.length; at += 1) {
    value |= BigInt(bytes[at] & 127) << BigInt(7 * (at - start));
    if (bytes[at] < 128) return { value, end: at + 1 };
  }
  return undefined;
}

/** A message's fields, by number. */
export function parse(bytes) {
  const fields = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    const [number, type] = [Number(tag.value >> 3n), Number(tag.value & 7n)];
    const fixed = { 1: 8, 5: 4 }[type];
    const read = fixed ? { value: 0n, end: tag.end + fixed } : readVarint(bytes, tag.end);
    at = type === 2 ? read.end + Number(read.value) : read.end;
    fields.push([number, type === 0 ? read.value : bytes.subarray(type === 2 ? read.end : tag.end, at)]);
  }
  const all = (number) => fields.filter(([one]) => one === number).map(([, value]) => value);
  return { all, first: (number) => all(number)[0], text: (number) => all(number)[0]?.toString() };
}

/** A message with its tag and length in front, as MCS sends it. */
export const frame = (tag, body) => Buffer.concat([Buffer.from([tag]), varint(body.length), body]);

/** The first frame; undefined while not all of it is there. */
export function readFrame(bytes) {
  const length = readVarint(bytes, 1);
  if (!length || bytes.length < length.end + Number(length.value)) return undefined;
  const end = length.end + Number(length.value);
  return { tag: bytes[0], body: bytes.subarray(length.end, end), end };
}
