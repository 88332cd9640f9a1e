// A push service on loopback that decrypts with `http_ece`, which shares nothing with the server under test.
import assert from "node:assert/strict";
import { createECDH, createPublicKey, randomBytes, verify } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import ece from "http_ece";
import { soon } from "./until.mjs";

export async function startPushService() {
  const devices = new Map();
  const pushes = [];
  const waiting = [];
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    let push;
    try {
      push = { path: request.url, ...open(devices.get(request.url), request.headers, Buffer.concat(chunks), url) };
    } catch (error) {
      push = { error };
    }
    const next = waiting.shift();
    if (next) next(push);
    else pushes.push(push);
    response.writeHead(201).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}`;

  return {
    /** A browser's subscription, as `toJSON()` gives it. */
    device(name) {
      const ecdh = createECDH("prime256v1");
      const [publicKey, auth] = [ecdh.generateKeys(), randomBytes(16)];
      devices.set(`/${name}`, { ecdh, auth });
      return {
        endpoint: `${url}/${name}`,
        expirationTime: null,
        keys: { p256dh: publicKey.toString("base64url"), auth: auth.toString("base64url") },
      };
    },
    /** The next push, decrypted: `{ path, json, text }`. */
    async next() {
      const push = pushes.shift() ?? (await soon("a push", new Promise((resolve) => waiting.push(resolve))));
      if (push.error) throw push.error;
      return push;
    },
    stop: () => server.close().closeAllConnections(),
  };
}

function open(device, headers, body, url) {
  assert.ok(device, "nobody subscribed here");
  assert.match(headers.ttl, /^\d+$/);
  assert.equal(headers["content-encoding"], "aes128gcm");
  checkToken(headers.authorization, url);
  const text = ece
    .decrypt(body, { version: "aes128gcm", privateKey: device.ecdh, authSecret: device.auth.toString("base64url") })
    .toString();
  return { text, json: JSON.parse(text) };
}

/** What a push service asks of a push's token (RFC 8292), for the origin at `url`. */
export function checkToken(authorization, url) {
  const [, token, key] = authorization.match(/^vapid t=([^,]+), ?k=(.+)$/);
  const [head, claims, signature] = token.split(".");
  const point = Buffer.from(key, "base64url");
  const jwk = {
    kty: "EC",
    crv: "P-256",
    x: point.subarray(1, 33).toString("base64url"),
    y: point.subarray(33).toString("base64url"),
  };
  const publicKey = createPublicKey({ key: jwk, format: "jwk" });
  const signed = Buffer.from(`${head}.${claims}`);
  const raw = Buffer.from(signature, "base64url");
  assert.ok(verify("sha256", signed, { key: publicKey, dsaEncoding: "ieee-p1363" }, raw), "the signature");
  const { aud, exp, sub } = JSON.parse(Buffer.from(claims, "base64url"));
  const left = exp - Date.now() / 1000;
  assert.equal(aud, url);
  assert.ok(left > 0 && left < 24 * 3600);
  assert.equal(sub, "mailto:office@school.edu");
}
